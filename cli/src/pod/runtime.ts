/** How a pod's containers come to run. The life of a pod asks only for this, and does not know what a container is. */
import type { ChildProcess } from 'node:child_process';
import type { Container, Pod } from '@longpo/api';
import type { Resource } from '@longpo/controller';

export type PodResource = Pod & Resource;

export interface PodAddresses {
  podIP?: string;
  hostIP?: string;
}

export interface ContainerProcess {
  /** What containerID says, for instance process://4711. */
  id: string;
  /** Exit code as a shell gives it: 128 + signal when killed, 127 for a command that does not exist. Never rejects. */
  exited: Promise<number>;
  /** SIGTERM, then SIGKILL after the grace period; resolves when the container has ended. */
  stop(graceMs: number): Promise<void>;
  /** Another process inside the container, for exec probes and `kubectl exec`. */
  exec(command: string[], stdio: 'ignore' | 'pipe'): ChildProcess;
  /** Where a probe finds a port of this container. */
  addressOf(port: number | string): { host: string; port: number };
  /** What the container left in its termination message file; empty if nothing. */
  readMessage(): string;
  /** The end of what this run of the container logged. */
  logTail(bytes: number): string;
}

export interface Runtime {
  /**
   * Makes what all containers share: folders, network, volumes. Called again when it fails with NotReadyError,
   * and after success no more.
   */
  prepare(pod: PodResource): Promise<PodAddresses>;
  /** Fails with ContainerConfigError when the spec cannot be run as it stands; the life of the pod tries again. */
  start(pod: PodResource, container: Container, restartCount: number): Promise<ContainerProcess>;
  /** Ends what `prepare` made, once every container has ended. */
  release(pod: PodResource): Promise<void>;
}

/** Something the pod needs is not there yet: a claim that is not bound, a config map that does not exist. */
export class NotReadyError extends Error {
  override name = 'NotReadyError';
}

/** The container cannot be started with this spec and this cluster; a kubelet waits with CreateContainerConfigError. */
export class ContainerConfigError extends Error {
  override name = 'ContainerConfigError';
}
