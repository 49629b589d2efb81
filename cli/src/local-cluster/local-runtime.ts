/** Containers as plain processes of this machine: the pod contract's env is all that tells them where they are. */
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Container, podEnv } from '@longpo/api';
import {
  ContainerConfigError,
  type ContainerProcess,
  expand,
  type PodResource,
  type Runtime,
  spawnBound,
  startPodProcess,
  tailOf,
} from '../pod/index.ts';
import { podEnvironment, type Substitutions } from './pod-env.ts';

export interface LocalRuntimeOptions {
  /** Pods' folders (termination logs) and log files go below it. */
  stateFolder: string;
  machine: Omit<Substitutions, 'podFolder'>;
}

export class LocalRuntime implements Runtime {
  readonly #options: LocalRuntimeOptions;

  constructor(options: LocalRuntimeOptions) {
    this.#options = options;
    mkdirSync(join(options.stateFolder, 'logs'), { recursive: true });
  }

  async prepare(pod: PodResource): Promise<object> {
    const folder = join(this.#options.stateFolder, 'pods', pod.metadata.name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    return {};
  }

  async start(pod: PodResource, container: Container): Promise<ContainerProcess> {
    const { stateFolder, machine } = this.#options;
    const podFolder = join(stateFolder, 'pods', pod.metadata.name);
    const containerFolder = join(podFolder, container.name);
    rmSync(containerFolder, { recursive: true, force: true });
    mkdirSync(containerFolder, { recursive: true });
    const env = await podEnvironment(pod, container, { ...machine, podFolder: containerFolder });
    const command = [...(container.command ?? []), ...(container.args ?? [])].map((word) =>
      expand(word, env),
    );
    if (command.length === 0) throw new ContainerConfigError('no command specified');
    const logFile = join(stateFolder, 'logs', logName(pod, container));
    const logStart = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
    const cwd = container.workingDir ?? containerFolder;
    const process = startPodProcess({ command, env, cwd, logFile });
    return {
      id: `process://${process.pid}`,
      exited: process.exited,
      stop: (graceMs) => process.stop(graceMs),
      exec: (words, stdio) => spawnBound(words, { cwd, env, stdio }),
      addressOf: (port) => localAddress(env[podEnv.listen], container, port),
      readMessage: () => readMessage(join(containerFolder, 'termination-log')),
      logTail: (bytes) => tailOf(logFile, bytes, logStart),
    };
  }

  async release(): Promise<void> {}
}

/** One log a pod, whatever its restarts; further containers get their own. */
function logName(pod: PodResource, container: Container): string {
  const isMain = pod.spec?.containers[0]?.name === container.name;
  return isMain ? `${pod.metadata.name}.log` : `${pod.metadata.name}.${container.name}.log`;
}

/** A server listens where the network told it to, not on the port of its spec. */
function localAddress(listen: string | undefined, container: Container, port: number | string) {
  if (listen !== undefined) {
    const { hostname, port: listenPort } = new URL(`http://${listen}`);
    return { host: hostname, port: Number(listenPort || 80) };
  }
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  return { host: '127.0.0.1', port: named ?? Number(port) };
}

function readMessage(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // a process that was killed leaves none
  }
}
