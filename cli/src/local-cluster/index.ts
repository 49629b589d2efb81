/**
 * THE LOCAL CLUSTER: the Cluster interface in memory, with its state on disk, whose Jobs and Deployments run as
 * child processes. Not an API server: enough of one that the controller cannot tell.
 */
import { join } from 'node:path';
import { type Cluster, deployments, servingType, trainingType } from '@longpo/controller';
import type { Timing } from '../pod/index.ts';
import { startDeploymentController } from './deployment-controller.ts';
import { startJobController } from './job-controller.ts';
import { appliedAnnotation, LocalCluster, startGarbageCollector } from './local-cluster.ts';
import { LocalRuntime } from './local-runtime.ts';
import { Network } from './network.ts';
import { ObjectStore } from './object-store.ts';
import type { Substitutions } from './pod-env.ts';
import { PodExecutor } from './pod-executor.ts';

export interface LocalClusterOptions {
  stateFolder: string;
  machine: Omit<Substitutions, 'podFolder' | 'network'>;
  /** Ports of the user's choice for named Services. */
  ports: Record<string, number>;
}

export interface RunningLocalCluster {
  cluster: Cluster;
  network: Network;
  /** Ends every process and writes how they ended. */
  stop(graceMs: number): Promise<void>;
  kill(): void;
}

/**
 * Whether something answers is found out again by whoever runs it: what the last run wrote about that is not true any
 * more, and everything else in a status is rebuilt from Jobs and pods.
 */
function forgetWhatAnswered(store: ObjectStore): void {
  for (const type of [trainingType, servingType, deployments]) {
    for (const { status, ...object } of store.list(type)) {
      if (status === undefined || !('url' in status || 'readyReplicas' in status)) continue;
      const { [appliedAnnotation]: _, ...annotations } = object.metadata.annotations ?? {};
      store.put({ ...object, metadata: { ...object.metadata, annotations } });
    }
  }
}

const maxBackOffMs = 30_000;
/** A laptop waits a second where a cluster waits ten: nobody else needs the machine meanwhile. */
const backOffMs = (failures: number) => Math.min(1000 * 2 ** (failures - 1), maxBackOffMs);
const timing: Timing = {
  backOffMs: (restartCount) => backOffMs(restartCount + 1),
  probePeriodMs: (declaredMs) => Math.min(declaredMs, 250),
  retryMs: 250,
};

export function startLocalCluster({ stateFolder, machine, ports }: LocalClusterOptions): RunningLocalCluster {
  const store = new ObjectStore(join(stateFolder, 'objects'));
  forgetWhatAnswered(store);
  const network = new Network(ports);
  const runtime = new LocalRuntime({ stateFolder, machine: { ...machine, network } });
  const executor = new PodExecutor({ store, runtime, timing, maxGraceMs: 15_000 });
  executor.start();
  const endCollector = startGarbageCollector(store);
  const endJobs = startJobController(store, backOffMs);
  const endDeployments = startDeploymentController(store);
  return {
    cluster: new LocalCluster(store),
    network,
    async stop(graceMs) {
      await Promise.all([endJobs(), endDeployments()]);
      endCollector();
      await executor.stop(graceMs);
    },
    kill: () => executor.kill(),
  };
}
