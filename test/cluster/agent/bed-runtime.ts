/** Containers of the test bed: namespaces, an overlay of the machine's files, and the user that the spec names. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Container } from '@longpo/api';
import {
  ContainerConfigError,
  type ContainerProcess,
  expand,
  type PodAddresses,
  type PodResource,
  type Runtime,
  tailOf,
} from '../../../cli/src/pod/index.ts';
import { type Image, imageOf } from './config.ts';
import { startContainer } from './container-process.ts';
import { containerEnvironment } from './environment.ts';
import { logFileOf, type NodePlace, PodPlace } from './pod-place.ts';
import { hostnameOf } from './sandbox.ts';
import { identityOf } from './security.ts';

export interface BedRuntimeOptions extends NodePlace {
  images: Record<string, Image>;
}

export class BedRuntime implements Runtime {
  readonly #options: BedRuntimeOptions;
  readonly #places = new Map<string, PodPlace>();

  constructor(options: BedRuntimeOptions) {
    this.#options = options;
  }

  async prepare(pod: PodResource): Promise<PodAddresses> {
    const uid = pod.metadata.uid ?? '';
    const place = this.#places.get(uid) ?? new PodPlace(pod, this.#options);
    this.#places.set(uid, place);
    await place.prepare(pod);
    return place.addresses;
  }

  async start(pod: PodResource, container: Container, restartCount: number): Promise<ContainerProcess> {
    const place = this.#place(pod);
    const image = imageOf(this.#options.images, container.image ?? '');
    const identity = identityOf(pod, container, image);
    const env = await containerEnvironment({
      pod,
      container,
      image,
      addresses: place.addresses,
      hostname: hostnameOf(pod),
      isRoot: identity.user === 0,
      objects: this.#options.objects,
    });
    const command = commandOf(container, image).map((word) => expand(word, env));
    const folder = join(place.folder, 'containers', container.name, String(restartCount));
    mkdirSync(folder, { recursive: true });
    const messageFile = join(folder, 'termination-log');
    writeFileSync(messageFile, '');
    chmodSync(messageFile, 0o666);
    const logFile = logFileOf(place.folder, container.name, restartCount);
    const running = await startContainer({
      sandboxPid: place.sandbox.pid,
      folder,
      logFile,
      mounts: place.mountsOf(container, messageFile, env),
      imageFolders: image.folders,
      workingDir: container.workingDir ?? '/',
      isRootReadOnly: identity.isRootReadOnly,
      hasInit: pod.spec?.shareProcessNamespace ?? false,
      identity: identity.setpriv,
      command,
      env,
    });
    const { podIP } = place.sandbox;
    return {
      id: `process://${pod.metadata.uid}/${container.name}/${restartCount}`,
      exited: running.exited,
      stop: running.stop,
      exec: running.exec,
      addressOf: (port) => ({ host: podIP, port: portOf(container, port) }),
      readMessage: () => readFileSync(messageFile, 'utf8'),
      logTail: (bytes) => tailOf(logFile, bytes),
    };
  }

  async release(pod: PodResource): Promise<void> {
    const uid = pod.metadata.uid ?? '';
    await this.#places.get(uid)?.release();
    this.#places.delete(uid);
  }

  #place(pod: PodResource): PodPlace {
    const place = this.#places.get(pod.metadata.uid ?? '');
    if (place === undefined) throw new Error('the pod was not prepared');
    return place;
  }
}

/** `command` stands for the image's entry point, which then leaves its own arguments out too. */
function commandOf({ command = [], args = [] }: Container, image: Image): string[] {
  const words = [...(command.length > 0 ? command : image.command), ...args];
  if (words.length === 0) throw new ContainerConfigError('no command specified');
  return words;
}

function portOf(container: Container, port: number | string): number {
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  return named ?? Number(port);
}
