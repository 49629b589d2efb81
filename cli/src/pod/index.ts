/**
 * THE POD: how a pod runs as processes, from its first init container to its last status. The local cluster of
 * `longpo run` and the node agent of the test bed (test/cluster/agent) both use it; they differ in the Runtime.
 */
export { type ContainerLife, graceMsOf } from './container-life.ts';
export { type PodStatus, timestamp } from './container-record.ts';
export { tailOf } from './log-file.ts';
export { expand, podField, quantity, resourceField } from './pod-field.ts';
export { PodLife } from './pod-life.ts';
export { exitOf, type PodProcess, spawnBound, startPodProcess, stopWith } from './pod-process.ts';
export { lostStatus } from './pod-status.ts';
export {
  ContainerConfigError,
  type ContainerProcess,
  NotReadyError,
  type PodAddresses,
  type PodResource,
  type Runtime,
} from './runtime.ts';
export { StatusReporter } from './status-reporter.ts';
export { kubeletTiming, type Timing } from './timing.ts';
