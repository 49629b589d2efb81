/** Where one pod lives on this node: its folder with logs, scratch and volumes, and its sandbox. */
import { chmodSync, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Container } from '@longpo/api';
import { ContainerConfigError, expand, type PodResource } from '../../../cli/src/pod/index.ts';
import { addresses } from '../bed/addresses.ts';
import type { ClusterObjects } from './cluster-objects.ts';
import type { Mount } from './container-process.ts';
import { type AddressPool, openSandbox, type Sandbox } from './sandbox.ts';
import { Volumes } from './volumes.ts';

export interface NodePlace {
  runFolder: string;
  nodeIndex: number;
  pool: AddressPool;
  objects: ClusterObjects;
  onError(error: unknown): void;
}

export const podFolder = (runFolder: string, uid: string): string => join(runFolder, 'pods', uid);

export const logFileOf = (folder: string, container: string, restartCount: number): string =>
  join(folder, 'logs', `${container}.${restartCount}.log`);

export class PodPlace {
  readonly folder: string;
  readonly #node: NodePlace;
  readonly #volumes: Volumes;
  #sandbox: Sandbox | undefined;

  constructor(pod: PodResource, node: NodePlace) {
    this.folder = podFolder(node.runFolder, pod.metadata.uid ?? '');
    this.#node = node;
    this.#volumes = new Volumes(join(this.folder, 'volumes'), node.onError);
    mkdirSync(join(this.folder, 'logs'), { recursive: true });
  }

  get sandbox(): Sandbox {
    if (this.#sandbox === undefined) throw new Error('the pod has no sandbox');
    return this.#sandbox;
  }

  get addresses() {
    return { hostIP: addresses.host, ...(this.#sandbox && { podIP: this.#sandbox.podIP }) };
  }

  async prepare(pod: PodResource): Promise<void> {
    const { pool, nodeIndex, objects } = this.#node;
    this.#sandbox ??= await openSandbox(pod, this.folder, pool, nodeIndex);
    await this.#volumes.prepare({ pod, addresses: this.addresses, objects });
  }

  async release(): Promise<void> {
    this.#sandbox?.close();
    await this.#volumes.release();
  }

  mountsOf(container: Container, messageFile: string, env: Record<string, string>): Mount[] {
    const shared = Object.entries(this.sandbox.files).map(([target, source]) => ({
      source,
      target,
      isReadOnly: false,
    }));
    const volumes = (container.volumeMounts ?? []).map(
      ({ name, mountPath, subPath, subPathExpr, readOnly }) => {
        const { folder, isReadOnly } = this.#volumes.source(name);
        const below = subPathExpr === undefined ? (subPath ?? '') : expand(subPathExpr, env);
        if (/[|\n]/.test(mountPath + below))
          throw new ContainerConfigError(`no such mount path: ${mountPath}`);
        return {
          source: below === '' ? folder : subFolder(folder, below),
          target: mountPath,
          isReadOnly: isReadOnly || readOnly === true,
        };
      },
    );
    const message = {
      source: messageFile,
      target: container.terminationMessagePath ?? '/dev/termination-log',
    };
    return [...shared, ...volumes, { ...message, isReadOnly: false }];
  }
}

/**
 * What is missing of it is made with the rights of the volume, so that who may write to one may write to the other.
 * A link in the volume must not lead out of it.
 */
function subFolder(folder: string, below: string): string {
  const path = join(folder, below);
  if (!existsSync(path)) {
    const first = mkdirSync(path, { recursive: true }) ?? path;
    const { mode } = statSync(folder);
    for (let made = path; made.length >= first.length; made = dirname(made)) chmodSync(made, mode);
  }
  const real = realpathSync(path);
  if (!`${real}/`.startsWith(`${realpathSync(folder)}/`))
    throw new ContainerConfigError(`subPath ${below} leaves its volume`);
  return real;
}
