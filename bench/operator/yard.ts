/**
 * Where it is measured: a bed whose API server keeps an audit log, and replicas of the operator with the chart's rights
 * and the chart's settings, each a process of its own without anything between it and the bed's port.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LongPOTraining, LongPOTrainingInput } from '../../api/src/index.ts';
import { type Bed, startBed } from '../../test/cluster/start-bed.ts';
import type { OperatorProcess } from '../../test/operator/operator-process.ts';
import { standInImages, World } from '../../test/operator/world.ts';
import { isOfLease, isWrite } from './api-call.ts';
import { AuditLog } from './audit-log.ts';
import { type Sample, sampleOf } from './sample.ts';
import { trainingsPath } from './trainings.ts';

const operatorUser = 'system:serviceaccount:longpo-system:longpo-controller';

export class Yard {
  readonly audit: AuditLog;
  readonly #bed: Bed;
  readonly #world: World;
  #replicas: OperatorProcess[] = [];

  private constructor(audit: AuditLog, bed: Bed) {
    this.audit = audit;
    this.#bed = bed;
    this.#world = new World(bed);
  }

  static async open(): Promise<Yard> {
    const audit = new AuditLog(operatorUser);
    const bed = await startBed({ images: standInImages, extra: { 'kube-apiserver': { args: audit.flags } } });
    const yard = new Yard(audit, bed);
    await yard.#world.install();
    return yard;
  }

  get api(): World['api'] {
    return this.#world.api;
  }

  /** An administrator's. */
  get kubeconfig(): string {
    return this.#bed.kubeconfig;
  }

  /** Settings are the operator's own defaults, which are the chart's, leases included. */
  startReplica(): OperatorProcess {
    const name = `replica-${this.#replicas.length + 1}`;
    const replica = this.#world.startOperator(name, { leaderElection: { identity: name } });
    this.#replicas.push(replica);
    return replica;
  }

  async makeNamespace(name: string): Promise<void> {
    await this.#world.makeNamespace(name);
  }

  async create(training: LongPOTrainingInput): Promise<void> {
    await this.api.call('POST', trainingsPath(training.metadata.namespace ?? ''), { body: training });
  }

  async training(namespace: string, name: string): Promise<LongPOTraining> {
    return (await this.api.call('GET', trainingsPath(namespace, name))) as LongPOTraining;
  }

  /** Until nothing of the trainings of a namespace is left but the volume. */
  async clear(namespace: string): Promise<void> {
    await this.api.call('DELETE', trainingsPath(namespace));
    const left = [`/apis/batch/v1/namespaces/${namespace}/jobs`, `/api/v1/namespaces/${namespace}/pods`];
    for (const path of [trainingsPath(namespace), ...left])
      while (((await this.api.call('GET', path, { query: { limit: 1 } })) as { items: [] }).items.length > 0)
        await sleep(250);
  }

  /** Until no replica has written anything but its lease for `quietMs`; whether that came in time. */
  async untilQuiet(quietMs: number, limitMs: number): Promise<boolean> {
    const limit = performance.now() + limitMs;
    let mark = this.audit.mark;
    let since = performance.now();
    while (performance.now() - since < quietMs) {
      if (performance.now() > limit) return false;
      await sleep(200);
      if (this.audit.ofOperator(mark).some((call) => isWrite(call) && !isOfLease(call)))
        since = performance.now();
      mark = this.audit.mark;
    }
    return true;
  }

  async close(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.kill()));
    await this.#bed.stop();
    this.api.close();
    this.#world.close();
    this.audit.close();
  }
}

export async function sample(replica: OperatorProcess): Promise<Sample> {
  return sampleOf(await replica.metrics());
}
