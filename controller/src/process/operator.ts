/**
 * One replica of the operator. Every replica keeps copies of the cluster and takes progress reports; the one that
 * holds the lease also reconciles.
 */
import type { Cluster } from '../cluster.ts';
import type { RunConfig } from '../config.ts';
import { type Controller, startController, watchedTypes } from '../controller.ts';
import { createStatusServer, Health } from '../health.ts';
import { type Connection, loadConnection } from '../kubernetes/connection.ts';
import { KubernetesCluster } from '../kubernetes/kubernetes-cluster.ts';
import { LeaderElection } from '../kubernetes/lease.ts';
import { verifyByTokenReview } from '../kubernetes/token-review.ts';
import { Transport } from '../kubernetes/transport.ts';
import type { Logger } from '../logger.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { createProgressEndpoint } from '../progress/endpoint.ts';
import { ProgressStore } from '../progress/store.ts';
import { servingType, trainingType } from '../reconcile/observe.ts';
import { WorkQueue } from '../watch/work-queue.ts';
import { openServer } from './http-server.ts';
import { leaderOnly } from './leader-only.ts';
import { namespacedCluster } from './namespaced-cluster.ts';
import { checkCluster } from './preflight.ts';

export interface OperatorOptions {
  config: RunConfig;
  logger: Logger;
  /** Another replica may lead now: end the process at once. */
  onLeaseLost(): void;
  /** What the operator cannot go on after. */
  onFatal(error: unknown): void;
}

export interface Operator {
  /** Takes no more work, ends what runs, writes what is held back and gives the lease away. */
  stop(): Promise<void>;
}

/** Token reviews a second: a flood of tokens must not become a flood of calls. */
const reviewRate = { perSecond: 20, burst: 50 };

/** Resolves once the copies are whole; leading begins later, or never. */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { config, logger } = options;
  let election: Pick<LeaderElection, 'start' | 'stop' | 'isLeader'> | undefined;
  const isLeader = () => election?.isLeader ?? false;
  const metrics = createMetrics({ isLeader });
  const health = new Health({ stuckAfterMs: config.stuckAfterSeconds * 1000 });
  // Before the server answers: a probe must not find a replica ready that knows nothing yet.
  const listed = new Map(watchedTypes.map(({ kind }) => [kind, health.awaits(`the list of ${kind}`)]));
  const statusServer = await openServer(createStatusServer(health, metrics), config.listen.metrics);
  logger.info('listening', { serves: 'metrics', port: statusServer.port });

  const connection = loadConnection(config.connection);
  const { onCall } = metrics;
  const transport = new Transport(connection, { onCall, perSecond: config.qps, burst: config.burst });
  const server = await checkCluster(transport);
  logger.info('connected', { server: connection.server.href, version: server });

  const { cluster, stop: stopWatches } = openCluster(config, transport, metrics, logger);
  const progress = new ProgressStore({ cluster, logger, periodMs: config.progressPeriodSeconds * 1000 });
  const reviews = new Transport(connection, { onCall, ...reviewRate });
  // Whoever asks for pods of others must not use up the calls of the reconcilers.
  const { live } = openCluster(config, reviews, metrics, logger).cluster;
  const verifyToken = verifyByTokenReview({
    transport: reviews,
    cluster: { get: (ref) => cluster.get(ref), live },
  });
  const endpoint = createProgressEndpoint(progress, verifyToken, {
    logger,
    onReport: metrics.onReport,
  });
  const progressServer = await openServer(endpoint, config.listen.progress);
  logger.info('listening', { serves: 'progress', port: progressServer.port });
  await keepCopies(cluster, metrics, (kind) => listed.get(kind)?.());
  logger.info('synced', { kinds: watchedTypes.map(({ kind }) => kind) });

  election = createElection(options, connection, metrics);
  const follower = lead(options, election, { cluster, progress, metrics, health });
  return {
    async stop() {
      await progressServer.close();
      await follower.stop();
      await progress.flush();
      await election?.stop();
      stopWatches();
      for (const used of [transport, reviews]) used.close();
      await statusServer.close();
      health.stop();
    },
  };
}

/** Leads as soon as the election says so. */
function lead(
  { config, logger, onFatal }: OperatorOptions,
  election: Pick<LeaderElection, 'start' | 'isLeader'>,
  parts: { cluster: Cluster; progress: ProgressStore; metrics: Metrics; health: Health },
): { stop(): Promise<void> } {
  const { cluster, progress, metrics, health } = parts;
  let controller: Promise<Controller> | undefined;
  let isStopping = false;
  const begin = () => {
    if (isStopping) return undefined;
    logger.info('leads', { identity: config.leaderElection.identity });
    controller = startController({
      cluster: leaderOnly(cluster, () => election.isLeader),
      settings: config,
      progress,
      logger,
      now: () => new Date(),
      makeQueue(kind, queueOptions) {
        const observer = metrics.queueOf(kind);
        const queue = new WorkQueue({ ...queueOptions, concurrency: config.concurrency, observer });
        observer.shows(queue);
        health.shows(kind, queue);
        return queue;
      },
    });
    return controller;
  };
  election
    .start()
    .then(begin)
    .catch((error) => {
      if (!isStopping) onFatal(error);
    });
  return {
    async stop() {
      isStopping = true;
      await (await controller)?.stop();
    },
  };
}

/** The copies stay when leadership comes and goes, so that a follower takes over without listing anything. */
async function keepCopies(
  cluster: Cluster,
  { census }: Metrics,
  onListed: (kind: string) => void,
): Promise<void> {
  const listeners = new Map<string, typeof census.onTraining>([
    [trainingType.kind, census.onTraining],
    [servingType.kind, census.onServing],
  ]);
  await Promise.all(
    watchedTypes.map(async (type) => {
      await cluster.watch(type, listeners.get(type.kind) ?? (() => undefined));
      onListed(type.kind);
    }),
  );
  census.settle();
}

function openCluster(
  { watchNamespaces, leaderElection }: RunConfig,
  transport: Transport,
  metrics: Metrics,
  logger: Logger,
): { cluster: Cluster; stop(): void } {
  const shared = {
    transport,
    identity: leaderElection.identity,
    observerOf: metrics.watchOf,
    onError: (error: unknown, { kind }: { kind: string }) =>
      logger.error('watch broken', { kind, error: String(error) }),
  };
  const parts = new Map(
    watchNamespaces.map((namespace) => [namespace, new KubernetesCluster({ ...shared, namespace })]),
  );
  const whole = parts.size === 0 ? [new KubernetesCluster(shared)] : [...parts.values()];
  const [only] = whole;
  return {
    cluster: whole.length === 1 && only && parts.size === 0 ? only : namespacedCluster(parts),
    stop() {
      for (const part of whole) part.stop();
    },
  };
}

function createElection(
  { config, logger, onLeaseLost }: OperatorOptions,
  connection: Connection,
  { onCall }: Metrics,
): Pick<LeaderElection, 'start' | 'stop' | 'isLeader'> {
  const { leaderElection: lease } = config;
  if (!lease.enabled)
    return { start: () => Promise.resolve(), stop: () => Promise.resolve(), isLeader: true };
  // An own transport, so that no burst of other calls delays a renewal.
  const transport = new Transport(connection, { onCall });
  return new LeaderElection({
    transport,
    namespace: lease.namespace,
    name: lease.leaseName,
    identity: lease.identity,
    durationMs: lease.leaseDurationSeconds * 1000,
    renewDeadlineMs: lease.renewDeadlineSeconds * 1000,
    retryMs: lease.retryPeriodSeconds * 1000,
    onLost: onLeaseLost,
    onError: (error) => logger.error('lease not renewed', { error: String(error) }),
  });
}
