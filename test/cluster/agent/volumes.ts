/** Makes the volumes of one pod: a folder each, that containers bind. */
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { NotReadyError, quantity } from '../../../cli/src/pod/index.ts';
import { runCommand } from './run-command.ts';
import {
  type ContentContext,
  contentOfAll,
  sourcesOf,
  type Volume,
  type VolumeContent,
} from './volume-content.ts';

export interface MountSource {
  folder: string;
  isReadOnly: boolean;
}

const groupMayWrite = 0o060;
const setGroupId = 0o2000;

export class Volumes {
  readonly #folder: string;
  readonly #sources = new Map<string, MountSource>();
  readonly #memory: string[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #onError: (error: unknown) => void;

  constructor(folder: string, onError: (error: unknown) => void) {
    this.#folder = folder;
    this.#onError = onError;
  }

  /** Fails with NotReadyError while something is missing; what was made before that stays. */
  async prepare(context: ContentContext): Promise<void> {
    for (const volume of context.pod.spec?.volumes ?? [])
      if (!this.#sources.has(volume.name)) this.#sources.set(volume.name, await this.#make(volume, context));
  }

  source(name: string): MountSource {
    const source = this.#sources.get(name);
    if (source === undefined) throw new NotReadyError(`no volume ${name}`);
    return source;
  }

  async release(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const folder of this.#memory) await runCommand('umount', ['-l', folder]);
  }

  async #make(volume: Volume, context: ContentContext): Promise<MountSource> {
    const { pod, objects } = context;
    const group = pod.spec?.securityContext?.fsGroup;
    const folder = join(this.#folder, volume.name);
    const { hostPath, persistentVolumeClaim: claim, emptyDir } = volume;
    if (hostPath) {
      if (hostPath.type?.endsWith('OrCreate')) mkdirSync(hostPath.path, { recursive: true });
      return { folder: hostPath.path, isReadOnly: false };
    }
    if (claim) {
      const path = await objects.claimFolder(pod.metadata.namespace, claim.claimName);
      giveToGroup(path, group);
      return { folder: path, isReadOnly: claim.readOnly === true };
    }
    const content = sourcesOf(volume);
    if (content) {
      await this.#fill(folder, content, context, group);
      return { folder, isReadOnly: true };
    }
    if (emptyDir === undefined)
      throw new NotReadyError(`this agent does not know the kind of volume ${volume.name}`);
    mkdirSync(folder, { recursive: true });
    if (emptyDir.medium === 'Memory') await this.#mountMemory(folder, emptyDir.sizeLimit);
    chmodSync(folder, 0o777);
    giveToGroup(folder, group);
    return { folder, isReadOnly: false };
  }

  async #mountMemory(folder: string, sizeLimit: string | undefined): Promise<void> {
    const size = sizeLimit === undefined ? '50%' : String(Math.ceil(quantity(sizeLimit)));
    await runCommand('mount', ['-t', 'tmpfs', '-o', `mode=1777,size=${size}`, 'tmpfs', folder]);
    this.#memory.push(folder);
  }

  async #fill(
    folder: string,
    { sources, mode }: NonNullable<ReturnType<typeof sourcesOf>>,
    context: ContentContext,
    group: number | undefined,
  ): Promise<void> {
    const write = async () => {
      const content = await contentOfAll(sources, context);
      writeFiles(folder, content.files, mode, group);
      return content.refreshAfterMs;
    };
    const refreshAfterMs = await write();
    if (refreshAfterMs === undefined) return;
    this.#timers.push(setInterval(() => void write().catch(this.#onError), refreshAfterMs));
  }
}

/** Each file appears whole: readers of a token may come at any moment. */
function writeFiles(
  folder: string,
  files: VolumeContent['files'],
  defaultMode: number,
  group: number | undefined,
): void {
  mkdirSync(folder, { recursive: true });
  for (const [path, { content, mode = defaultMode }] of files) {
    const file = join(folder, path);
    const temporary = `${file}.new`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(temporary, content);
    chmodSync(temporary, group === undefined ? mode : mode | 0o040);
    if (group !== undefined) chownSync(temporary, 0, group);
    renameSync(temporary, file);
  }
}

/** fsGroup: everything in the volume belongs to the group and new files will too. Links are left alone. */
function giveToGroup(path: string, group: number | undefined): void {
  if (group === undefined) return;
  const { gid, uid, mode } = lstatSync(path);
  if (gid === group && (mode & groupMayWrite) === groupMayWrite) return; // fsGroupChangePolicy: OnRootMismatch
  const entries = lstatSync(path).isDirectory()
    ? readdirSync(path, { withFileTypes: true, recursive: true })
    : [];
  for (const entry of entries) {
    const inside = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) continue;
    const stat = lstatSync(inside);
    chownSync(inside, stat.uid, group);
    chmodSync(inside, stat.mode | groupMayWrite | (entry.isDirectory() ? setGroupId | 0o010 : 0));
  }
  chownSync(path, uid, group);
  chmodSync(path, mode | groupMayWrite | setGroupId | 0o010);
}

export const removeFolder = (folder: string): void =>
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });

/** Volumes in memory that an agent which was killed left mounted. */
export async function unmountBelow(folder: string): Promise<void> {
  const targets = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  for (const target of targets.filter((path) => path.startsWith(`${folder}/`)))
    await runCommand('umount', ['-l', target]);
}
