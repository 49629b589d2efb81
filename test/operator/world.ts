/**
 * Trainings in namespaces of their own, each with an operator of its own behind a proxy of its own, on one bed; the
 * roles are stand-ins. The operator has the rights of the chart and no others.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { type LongPOTraining, type LongPOTrainingInput, tokenAudience } from '../../api/src/index.ts';
import type { Resource } from '../../controller/src/cluster.ts';
import { loadConnection } from '../../controller/src/kubernetes/connection.ts';
import { Transport } from '../../controller/src/kubernetes/transport.ts';
import { openHelm } from '../chart/helm.ts';
import { type Rendered, renderFiles } from '../chart/rendered.ts';
import { applyCrds } from '../cluster/crds.ts';
import type { Bed } from '../cluster/start-bed.ts';
import { until } from '../waiting.ts';
import { ApiProxy, type ProxyHooks } from './api-proxy.ts';
import { OperatorProcess } from './operator-process.ts';
import { listAll, type Snapshot, snapshotOf } from './snapshot.ts';
import type { StandInSettings } from './stand-in/settings.ts';
import { standInTraining, told } from './stand-in/training.ts';

const root = join(import.meta.dirname, '..', '..');
const operatorNamespace = 'longpo-system';
const trainingsPath = (namespace: string) =>
  `/apis/longpo.dev/v1alpha1/namespaces/${namespace}/longpotrainings`;

/** The image prefix that a bed for this world maps to the stand-ins (`startBed({ images: standInImages })`). */
export const standInImage = 'stand-in/role';
export const standInImages = {
  [standInImage]: {
    path: [join(import.meta.dirname, 'stand-in', 'bin'), join(root, 'node_modules', '.bin')],
    folders: [root],
    env: {},
  },
};

export interface TrainingOptions {
  namespace: string;
  /** Unset: demo. */
  name?: string;
  standIn?: StandInSettings;
  spec?: Partial<LongPOTrainingInput['spec']>;
}

/** For `startBed({ extra })`: a Job controller that does not let a test wait. */
export const quickJobs = {
  'kube-controller-manager': { env: { JOB_SYNC_PERIOD: '100ms', JOB_POD_FAILURE_BACKOFF: '500ms' } },
};

/** As above; and without this plugin a child may block its owner's deletion though the operator has no right to that. */
export const quickJobsAndGuardedOwners = {
  ...quickJobs,
  'kube-apiserver': { args: ['--enable-admission-plugins=OwnerReferencesPermissionEnforcement'] },
};

export interface CaseOptions extends TrainingOptions {
  hooks?: ProxyHooks;
  /** Two leaders at once, each behind its own proxy. */
  operators?: number;
  /** Fields of the operator's config beside the world's own. */
  config?: object;
  /** Told before the training exists, for hooks that kill and start them. */
  onOperators?(operators: OperatorProcess[]): void;
}

export class World {
  readonly api: Transport;
  readonly #bed: Bed;
  readonly folder = mkdtempSync(join(tmpdir(), 'longpo-world-'));
  #token = '';

  constructor(bed: Bed) {
    this.#bed = bed;
    this.api = new Transport(loadConnection({ kubeconfig: bed.kubeconfig }), {
      perSecond: 1000,
      burst: 1000,
    });
  }

  get kubeconfig(): string {
    return this.#bed.kubeconfig;
  }

  /** A kubeconfig of the operator's own account; `proxy` is the URL of one that it should go through. */
  operatorKubeconfig(proxy?: string): string {
    const config = parse(readFileSync(this.kubeconfig, 'utf8')) as Kubeconfig;
    for (const entry of config.users) entry.user = { token: this.#token };
    if (proxy !== undefined) for (const entry of config.clusters) entry.cluster = { server: proxy };
    const file = join(
      this.folder,
      `operator-${proxy === undefined ? 'direct' : new URL(proxy).port}.kubeconfig`,
    );
    writeFileSync(file, JSON.stringify(config));
    return file;
  }

  /** The kinds, and `giveRights`. */
  async install(...values: string[]): Promise<Rendered[]> {
    await applyCrds(this.#bed);
    // The garbage collector asks which kinds there are when it starts, and then each half minute.
    const manager = this.#bed.component('kube-controller-manager');
    await manager.stop();
    await manager.start();
    return this.giveRights(...values);
  }

  /**
   * The operator's account with the rights that the chart gives with these values, and those that it has; resolves with
   * what was applied.
   */
  async giveRights(...values: string[]): Promise<Rendered[]> {
    const files = await renderFiles(await openHelm(), ...values);
    const rights = ['rbac.yaml', 'service-account.yaml'].flatMap((file) => files.get(file) ?? []);
    const own = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: operatorNamespace } };
    await this.#bed.apply([own, ...rights].map((object) => JSON.stringify(object)).join('\n---\n'));
    const account = rights.find(({ kind }) => kind === 'ServiceAccount')?.metadata.name ?? '';
    this.#token = (
      await this.#bed.kubectl('create', 'token', account, '-n', operatorNamespace, '--duration=24h')
    ).trim();
    return rights;
  }

  async open(options: CaseOptions): Promise<Case> {
    const { namespace } = options;
    await this.makeNamespace(namespace);
    const opened: { proxy: ApiProxy; operator: OperatorProcess }[] = [];
    for (let n = 0; n < (options.operators ?? 1); n++) {
      const proxy = await ApiProxy.open(loadConnection({ kubeconfig: this.kubeconfig }), options.hooks);
      const config = {
        ...{ leaderElection: { enabled: false }, watchNamespaces: [namespace] },
        ...options.config,
      };
      const operator = this.startOperator(`${namespace}-${n}`, config, proxy.url);
      opened.push({ proxy, operator });
    }
    options.onOperators?.(opened.map(({ operator }) => operator));
    await this.createTraining(options);
    return new Case(this.api, namespace, opened);
  }

  /** An operator with the chart's rights and settings, but for what `config` says. */
  startOperator(name: string, config: object = {}, proxy?: string): OperatorProcess {
    const operator = new OperatorProcess({
      folder: join(this.folder, name),
      kubeconfig: this.operatorKubeconfig(proxy),
      config: { ...operatorConfig, ...config },
    });
    operator.start();
    return operator;
  }

  /** With its default account: pods are refused before it is there. */
  async makeNamespace(name: string, labels: Record<string, string> = {}): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
    await this.api.call('POST', '/api/v1/namespaces', { body });
    const account = `/api/v1/namespaces/${name}/serviceaccounts/default`;
    await until(`${name} has its account`, () => this.api.call('GET', account).catch(() => undefined));
  }

  async createTraining(options: TrainingOptions): Promise<void> {
    await this.api.call('POST', trainingsPath(options.namespace), { body: trainingOf(options) });
  }

  /** What the kubelet would mount into a pod for reports, or for whom else `audience` says. */
  async tokenOf({ metadata: { namespace, name, uid } }: Resource, audience = tokenAudience): Promise<string> {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`;
    const answer = (await this.api.call('POST', path, {
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: [audience], boundObjectRef },
      },
    })) as { status: { token: string } };
    return answer.status.token;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Kubeconfig {
  clusters: { cluster: object }[];
  users: { user: object }[];
}

const operatorConfig = {
  images: Object.fromEntries(
    ['fetch', 'generate', 'train', 'verify', 'serve', 'vllm'].map((role) => [
      role,
      `${standInImage}:${role}`,
    ]),
  ),
  // Nobody listens there: stand-ins do not report.
  reportBaseUrl: 'http://10.244.0.1:9',
  listen: { progress: '127.0.0.1:0', metrics: '127.0.0.1:0' },
};

const trainingOf = ({ namespace, name = 'demo', spec, standIn }: TrainingOptions): LongPOTrainingInput =>
  standInTraining(namespace, name, { podTemplate: told(standIn ?? {}), ...spec });

/** Several cases share one API server: whoever waits should not be the load. */
const pollMs = 250;

export class Case {
  readonly namespace: string;
  readonly proxies: ApiProxy[];
  readonly operators: OperatorProcess[];
  readonly #api: Transport;

  constructor(api: Transport, namespace: string, opened: { proxy: ApiProxy; operator: OperatorProcess }[]) {
    this.#api = api;
    this.namespace = namespace;
    this.proxies = opened.map(({ proxy }) => proxy);
    this.operators = opened.map(({ operator }) => operator);
  }

  async training(): Promise<LongPOTraining | undefined> {
    const path = `${trainingsPath(this.namespace)}/demo`;
    return (await this.#api.call('GET', path).catch(() => undefined)) as LongPOTraining | undefined;
  }

  /** Waits until something is true of the training; the error tells its last status and the operator's last lines. */
  async until(
    what: string,
    isTrue: (training: LongPOTraining) => boolean,
    timeoutMs = 240_000,
  ): Promise<LongPOTraining> {
    const isTrueOf = (training: LongPOTraining | undefined) => training !== undefined && isTrue(training);
    return (await this.#until(what, isTrueOf, timeoutMs)) as LongPOTraining;
  }

  async untilGone(timeoutMs = 240_000): Promise<void> {
    await this.#until('gone', (training) => training === undefined, timeoutMs);
  }

  async #until(
    what: string,
    isTrue: (training: LongPOTraining | undefined) => boolean,
    timeoutMs: number,
  ): Promise<LongPOTraining | undefined> {
    const deadline = Date.now() + timeoutMs;
    let last: LongPOTraining | undefined;
    while (Date.now() < deadline) {
      last = await this.training();
      if (isTrue(last)) return last;
      await sleep(pollMs);
    }
    const log = this.operators.map(({ output }) => output.slice(-2000)).join('\n---\n');
    throw new Error(
      `${this.namespace}: never came true: ${what}\n${JSON.stringify(last?.status, null, 1)}\n${log}`,
    );
  }

  async untilFinished(timeoutMs?: number): Promise<LongPOTraining> {
    const isFinished = ({ status }: LongPOTraining) =>
      status?.conditions?.some(({ type, status: is }) => type === 'Succeeded' && is !== 'Unknown') ?? false;
    return this.until('finished', isFinished, timeoutMs);
  }

  get writes(): number {
    return this.proxies.reduce((sum, { writes }) => sum + writes.length, 0);
  }

  /** Until no operator has written for `quietMs`; fails when they never come to rest. */
  async untilQuiet(quietMs = 1500, timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    let seen = this.writes;
    let since = Date.now();
    while (Date.now() - since < quietMs) {
      if (Date.now() > deadline) throw new Error(`${this.namespace}: the operator never comes to rest`);
      await sleep(pollMs);
      if (this.writes !== seen) since = Date.now();
      seen = this.writes;
    }
  }

  async snapshot(): Promise<Snapshot & { runs: string[] }> {
    const things = await listAll(this.#api, this.namespace);
    return { ...snapshotOf(things, this.namespace), runs: await this.runs() };
  }

  /** Which roles started and ended, sorted: one line for each. */
  async runs(): Promise<string[]> {
    const claim = (await this.#api.call(
      'GET',
      `/api/v1/namespaces/${this.namespace}/persistentvolumeclaims/longpo`,
    )) as { spec: { volumeName: string } };
    const volume = (await this.#api.call('GET', `/api/v1/persistentvolumes/${claim.spec.volumeName}`)) as {
      spec: { hostPath: { path: string } };
    };
    const lines = readFileSync(join(volume.spec.hostPath.path, 'demo', 'runs'), 'utf8')
      .trim()
      .split('\n');
    return lines.toSorted();
  }

  async close(): Promise<void> {
    await Promise.all(this.operators.map((operator) => operator.kill()));
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    await this.#api.call('DELETE', `/api/v1/namespaces/${this.namespace}`);
  }
}
