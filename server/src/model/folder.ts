/** The door for model folders: a LongPO checkpoint that equals its manifest, or a complete plain model. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type CheckpointManifest, checkpointManifestFile } from '@longpo/api';
import * as z from 'zod';
import { type Architecture, architectureOf } from './architecture.ts';
import { readManifest, verifyFiles } from './checkpoint.ts';
import { contentFiles, folderDigest, sha256OfFile } from './digest.ts';
import { type FileStamps, stampFiles } from './file-stamps.ts';
import { ModelError } from './model-error.ts';
import { readSafetensors, safetensorsFiles, type Tensor } from './safetensors.ts';
import { checkTensors, type Tensors } from './tensors.ts';

export interface ModelFolder {
  readonly directory: string;
  readonly architecture: Architecture;
  readonly tensors: Tensors;
  readonly eosTokenIds: readonly number[];
  /** sha256:<hex> */
  readonly digest: string;
  /** null for a plain model. */
  readonly checkpoint: CheckpointManifest | null;
  /** Of the files as they were before they were hashed. */
  readonly stamps: FileStamps;
}

export type OnBytes = (completed: number, total: number) => void;

async function namesIn(directory: string): Promise<Set<string>> {
  const entries = await readdir(directory).catch(() => {
    throw new ModelError(
      'MODEL_NOT_FOUND',
      `${directory}: no such folder; give the path of a Hugging Face model folder`,
    );
  });
  return new Set(entries);
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    throw new ModelError('MODEL_INVALID', `${path}: not a JSON file`);
  }
}

function requireFiles(directory: string, names: ReadonlySet<string>): void {
  const absent = ['config.json', 'tokenizer.json'].find((name) => !names.has(name));
  if (absent === undefined) return;
  const hint = names.has(checkpointManifestFile)
    ? ''
    : `; the folder has no ${checkpointManifestFile} either`;
  throw new ModelError(
    'MODEL_INCOMPLETE',
    `${join(directory, absent)}: the file is missing${hint}, so it is neither a checkpoint nor a complete model`,
  );
}

const eosField = z.looseObject({ eos_token_id: z.union([z.int(), z.array(z.int())]).nullish() });

/** Instruct models name further ends of a turn in generation_config.json only. */
async function eosTokenIds(directory: string, names: ReadonlySet<string>): Promise<number[]> {
  const files = ['config.json', 'generation_config.json'].filter((name) => names.has(name));
  const ids = new Set<number>();
  for (const file of files) {
    const parsed = eosField.safeParse(await readJson(join(directory, file)));
    if (!parsed.success)
      throw new ModelError('MODEL_INVALID', `${join(directory, file)}: eos_token_id must be integers`);
    for (const id of [parsed.data.eos_token_id ?? []].flat()) ids.add(id);
  }
  return [...ids];
}

async function readTensors(directory: string, names: ReadonlySet<string>): Promise<Tensors> {
  const tensors = new Map<string, Tensor>();
  for (const file of await safetensorsFiles(directory, names)) {
    for (const tensor of await readSafetensors(join(directory, file))) tensors.set(tensor.name, tensor);
  }
  return tensors;
}

async function plainDigest(
  directory: string,
  names: ReadonlySet<string>,
  onBytes?: OnBytes,
): Promise<string> {
  const paths = contentFiles(names);
  const sizes = await Promise.all(paths.map(async (path) => (await stat(join(directory, path))).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let completed = 0;
  const files: { path: string; sha256: string }[] = [];
  for (const path of paths) {
    const sha256 = await sha256OfFile(join(directory, path), (bytes) => {
      completed += bytes;
      onBytes?.(completed, total);
    });
    files.push({ path, sha256 });
  }
  return folderDigest(files);
}

async function verifiedCheckpoint(directory: string, onBytes?: OnBytes): Promise<CheckpointManifest> {
  const manifest = await readManifest(directory);
  const listed = new Set(manifest.files.map(({ path }) => path));
  const used = ['config.json', 'tokenizer.json', ...(await safetensorsFiles(directory, listed))];
  const unlisted = used.find((path) => !listed.has(path));
  if (unlisted !== undefined) {
    throw new ModelError(
      'CHECKPOINT_INVALID',
      `${join(directory, unlisted)}: not listed in ${checkpointManifestFile}`,
    );
  }
  const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  let completed = 0;
  await verifyFiles(directory, manifest, (bytes) => {
    completed += bytes;
    onBytes?.(completed, total);
  });
  return manifest;
}

/** Checks everything about the folder but the values of its weights. */
export async function openModelFolder(directory: string, onBytes?: OnBytes): Promise<ModelFolder> {
  const names = await namesIn(directory);
  const stamps = await stampFiles(directory, contentFiles(names));
  const checkpoint = names.has(checkpointManifestFile) ? await verifiedCheckpoint(directory, onBytes) : null;
  requireFiles(directory, names);
  const configFile = join(directory, 'config.json');
  const architecture = architectureOf(configFile, await readJson(configFile));
  const tensors = await readTensors(directory, names);
  checkTensors(directory, architecture, tensors);
  return {
    directory,
    architecture,
    tensors,
    eosTokenIds: await eosTokenIds(directory, names),
    digest: checkpoint?.digest ?? (await plainDigest(directory, names, onBytes)),
    checkpoint,
    stamps,
  };
}
