/**
 * THE TEST BED: a real Kubernetes control plane on one machine, with nodes that run pods as processes. `startBed` is
 * what tests call; main.ts is the same for people.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { networkSetUp, resolvConf } from './bed/addresses.ts';
import { type Probe, probe, until } from './bed/api-probe.ts';
import { Bed } from './bed/bed.ts';
import type { BedOptions } from './bed/bed-options.ts';
import { Component } from './bed/component.ts';
import { componentPlans } from './bed/component-plans.ts';
import { apiServerCertificate } from './bed/control-plane.ts';
import { createIdentities, insideServer, writeKubeconfig } from './bed/identities.ts';
import { Namespaces } from './bed/namespaces.ts';
import type { Binaries } from './binaries/binaries.ts';
import { type ClusterConfig, readClusterConfig } from './config.ts';
import { prepareBed } from './prepare.ts';
import { Relay } from './relay/relay.ts';

export type { Bed } from './bed/bed.ts';
export type { BedOptions, Image } from './bed/bed-options.ts';

const minute = 60_000;

/** Builds what is missing, starts all of it, and waits until pods can run. */
export async function startBed(options: BedOptions = {}): Promise<Bed> {
  const { output = process.stderr, config = readClusterConfig() } = options;
  const binaries = await prepareBed(config, output);
  const start = await Start.begin(options, config, binaries);
  try {
    return await start.finish();
  } catch (error) {
    await start.abandon();
    throw error;
  }
}

/** A bed while it comes up. */
class Start {
  readonly #options: BedOptions;
  readonly #config: ClusterConfig;
  readonly #binaries: Binaries;
  readonly #folder: string;
  readonly #namespaces: Namespaces;
  readonly #components = new Map<string, Component>();
  readonly #failure = new AbortController();
  #isUp = false;

  private constructor(
    options: BedOptions,
    config: ClusterConfig,
    binaries: Binaries,
    namespaces: Namespaces,
  ) {
    this.#options = options;
    this.#config = config;
    this.#binaries = binaries;
    this.#folder = namespaces.folder;
    this.#namespaces = namespaces;
  }

  static async begin(options: BedOptions, config: ClusterConfig, binaries: Binaries): Promise<Start> {
    const folder = mkdtempSync(join(tmpdir(), 'longpo-bed-'));
    // Pods that run as another user reach their volumes through it; what is secret has its own mode.
    chmodSync(folder, 0o711);
    for (const name of ['logs', 'volumes', 'pods']) mkdirSync(join(folder, name));
    const names = join(folder, 'resolv.conf');
    writeFileSync(names, resolvConf);
    return new Start(
      options,
      config,
      binaries,
      await Namespaces.open(folder, networkSetUp(names), config.env),
    );
  }

  async finish(): Promise<Bed> {
    const { startLimitMs = 2 * minute } = this.#options;
    const limit = setTimeout(() => this.#fail(`no bed after ${startLimitMs} ms`), startLimitMs);
    try {
      return await this.#bringUp();
    } finally {
      clearTimeout(limit);
    }
  }

  async abandon(): Promise<void> {
    for (const component of this.#components.values()) component.release();
    await this.#namespaces.close();
  }

  async #bringUp(): Promise<Bed> {
    const identities = createIdentities(this.#folder);
    const relay = await Relay.start(this.#namespaces, this.#config.env);
    const port = await relay.forward('127.0.0.1', 6443);
    const file = (name: string) => join(this.#folder, `${name}.kubeconfig`);
    const plan = componentPlans({
      ...{ folder: this.#folder, identities, binaries: this.#binaries, options: this.#options },
      kubeconfigs: {
        admin: file('inside'),
        controllerManager: file('controller-manager'),
        scheduler: file('scheduler'),
      },
    });
    const certificate = apiServerCertificate(this.#folder);
    const api = (): Probe => ({
      port,
      certificateAuthority: readFileSync(certificate, 'utf8'),
      token: identities.tokens.admin,
    });
    const isReady = async () => existsSync(certificate) && (await probe(api(), '/readyz')).status === 200;
    this.#add('etcd', plan.etcd);
    this.#add('kube-apiserver', plan['kube-apiserver'], () => until(isReady, this.#failure.signal));
    await this.#start('etcd');
    await this.#start('kube-apiserver');
    const { certificateAuthority } = api();
    const write = (path: string, server: string, token: string) =>
      writeKubeconfig(path, { server, certificateAuthority, token });
    const outside = write(file('outside'), `https://127.0.0.1:${port}`, identities.tokens.admin);
    write(file('inside'), insideServer, identities.tokens.admin);
    write(file('controller-manager'), insideServer, identities.tokens['kube-controller-manager']);
    write(file('scheduler'), insideServer, identities.tokens['kube-scheduler']);
    const { etcd: _, 'kube-apiserver': __, ...others } = plan;
    for (const [name, component] of Object.entries(others)) this.#add(name, component);
    await Promise.all(Object.keys(others).map((name) => this.#start(name)));
    await until(() => canRunPods(api(), this.#options.nodes ?? 1), this.#failure.signal);
    this.#failure.signal.throwIfAborted();
    this.#isUp = true;
    return new Bed({
      ...{ folder: this.#folder, namespaces: this.#namespaces, relay, components: this.#components },
      ...{ kubeconfig: outside, insideKubeconfig: file('inside') },
      ...{ kubectl: this.#binaries.kubectl, env: this.#config.env },
    });
  }

  #add(
    name: string,
    plan: { command: string[]; env: Record<string, string> },
    untilReady?: () => Promise<void>,
  ) {
    const component = new Component({
      name,
      command: plan.command,
      env: { ...this.#config.env, ...plan.env },
      logFolder: join(this.#folder, 'logs'),
      namespaces: this.#namespaces,
      onLost: (lost, { code, signal }) =>
        this.#fail(`${name} ended (${signal ?? `exit code ${code}`}):\n${lost.lastLines()}`),
      ...(untilReady && { untilReady }),
    });
    this.#components.set(name, component);
  }

  async #start(name: string): Promise<void> {
    await this.#components.get(name)?.start();
  }

  #fail(message: string): void {
    if (!this.#isUp) this.#failure.abort(new Error(`the test bed did not start: ${message}`));
    else if (this.#options.onLost) this.#options.onLost(message);
    else (this.#options.output ?? process.stderr).write(`test bed: ${message}\n`);
  }
}

interface NodeList {
  items: { status?: { conditions?: { type: string; status: string }[] } }[];
}

/** Pods before the namespace's default service account are refused. */
async function canRunPods(api: Probe, nodes: number): Promise<boolean> {
  const account = await probe(api, '/api/v1/namespaces/default/serviceaccounts/default');
  if (account.status !== 200 || nodes === 0) return account.status === 200;
  const list = await probe(api, '/api/v1/nodes');
  if (list.status !== 200) return false;
  const ready = (JSON.parse(list.body) as NodeList).items.filter((node) =>
    node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
  return ready.length >= nodes;
}
