/** Quantised weights on disk, one folder for a model's digest and width: there whole, or not at all. */
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Quantization } from '@longpo/api';
import { type FileStamps, requireUnchanged } from '../file-stamps.ts';
import type { ModelFolder, OnBytes } from '../folder.ts';
import type { QuantizedWeights } from '../graph/projections.ts';
import { readSafetensors, type Tensor } from '../safetensors.ts';
import type { FormatOf } from './block.ts';
import { diskFull, requireSpace } from './disk-space.ts';
import { type Part, type QuantizationPlan, quantizationPlan } from './plan.ts';
import type { WorkerTask } from './worker.ts';

/**
 * int4: MLPs at 4 bits; attention and head, where errors cost most, at 8. Measured on SmolLM2-135M against float32
 * over 1,000 positions: KL 0.33 with everything at 4 bits, 0.22 with the head at 8, 0.13 with attention too, at the
 * same speed. The error of 4 bits grows with the block, that of 8 hardly does, and kernels with AVX-512 are faster on
 * long blocks: SmolLM2-135M reads 1.1 times as fast with 64 as with 32. From 128 on, where int4 has them, these kernels
 * sum a single token in another order than several, which would break int8's promise of equal bits.
 */
const formats: Record<Exclude<Quantization, 'none'>, FormatOf> = {
  int4: (name) => (name.includes('.mlp.') ? { bits: 4, blockSize: 32 } : { bits: 8, blockSize: 128 }),
  int8: () => ({ bits: 8, blockSize: 64 }),
};

const fileName = 'model.safetensors';

/** Finds the weights in the cache or quantises them into it. */
export async function quantizedWeights(
  folder: ModelFolder,
  width: Exclude<Quantization, 'none'>,
  cache: string,
  threads: number,
  onBytes?: OnBytes,
): Promise<QuantizedWeights> {
  const formatOf = formats[width];
  const plan = quantizationPlan(folder.architecture, folder.tensors, formatOf);
  const entry = join(cache, `${folder.digest.replace('sha256:', '')}-${width}`);
  const work = { entry, plan, stamps: folder.stamps, threads, onBytes };
  const tensors = (await readCached(entry, plan)) ?? (await writeEntry(work));
  return { tensors, formatOf };
}

/** undefined: absent, or not what this version would write; then it is written anew. */
async function readCached(entry: string, plan: QuantizationPlan): Promise<Map<string, Tensor> | undefined> {
  const found = await readSafetensors(join(entry, fileName)).catch(() => []);
  const tensors = new Map(found.map((tensor) => [tensor.name, tensor]));
  const same = plan.parts
    .flatMap(({ targets }) => targets)
    .every((target) => {
      const tensor = tensors.get(target.name);
      return (
        tensor?.offset === target.offset && tensor.bytes === target.bytes && tensor.dtype === target.dtype
      );
    });
  return same ? tensors : undefined;
}

interface EntryWork {
  readonly entry: string;
  readonly plan: QuantizationPlan;
  /** Of the model's files. */
  readonly stamps: FileStamps;
  readonly threads: number;
  readonly onBytes: OnBytes | undefined;
}

async function writeEntry(work: EntryWork): Promise<Map<string, Tensor>> {
  const { entry, plan } = work;
  await mkdir(dirname(entry), { recursive: true });
  await removeAbandoned(entry);
  await requireSpace(dirname(entry), plan.fileBytes);
  try {
    await publish(work);
  } catch (error) {
    throw (await diskFull(error, dirname(entry), plan.fileBytes)) ?? error;
  }
  const tensors = await readCached(entry, plan);
  if (!tensors) throw new Error(`${entry}: the quantised weights just written cannot be read back`);
  return tensors;
}

/** Writes a folder of another name, then gives it the entry's: who finds the entry finds all of it. */
async function publish({ entry, plan, stamps, threads, onBytes }: EntryWork): Promise<void> {
  const temporary = await mkdtemp(`${entry}.tmp-`);
  try {
    await writeFile(join(temporary, fileName), plan, threads, onBytes);
    await requireUnchanged(stamps);
    await rm(entry, { recursive: true, force: true });
    // Another server may have been faster with the same content; then its folder stays.
    await rename(temporary, entry).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** A file that is being written changes all the time; one that has not for this long belongs to a killed process. */
const abandonedAfterMs = 3_600_000;

async function removeAbandoned(entry: string): Promise<void> {
  const prefix = `${basename(entry)}.tmp-`;
  for (const name of await readdir(dirname(entry))) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(dirname(entry), name);
    const changed = await stat(join(folder, fileName)).catch(() => stat(folder).catch(() => undefined));
    if (changed && Date.now() - changed.mtimeMs > abandonedAfterMs)
      await rm(folder, { recursive: true, force: true });
  }
}

async function writeFile(
  path: string,
  plan: QuantizationPlan,
  threads: number,
  onBytes?: OnBytes,
): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.truncate(plan.fileBytes);
    await file.write(plan.header, 0, plan.header.length, 0);
    let completed = 0;
    const advance = (bytes: number): void => {
      completed += bytes;
      onBytes?.(completed, plan.bytes);
    };
    await Promise.all(shares(plan.parts, threads).map((parts) => runWorker({ path, parts }, advance)));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Largest part first, each to the thread with the least to do. */
function shares(parts: readonly Part[], threads: number): Part[][] {
  const size = (part: Part): number => part.sources.reduce((sum, { bytes }) => sum + bytes, 0);
  const loads = Array.from({ length: Math.max(1, threads) }, () => ({ bytes: 0, parts: [] as Part[] }));
  for (const part of parts.toSorted((a, b) => size(b) - size(a))) {
    const least = loads.reduce((a, b) => (b.bytes < a.bytes ? b : a));
    least.bytes += size(part);
    least.parts.push(part);
  }
  return loads.map((load) => load.parts).filter((share) => share.length > 0);
}

async function runWorker(task: WorkerTask, onBytes: (bytes: number) => void): Promise<void> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task });
  worker.on('message', onBytes);
  // An 'error' event rejects here.
  const [code] = await once(worker, 'exit');
  if (code !== 0) throw new Error(`quantising ended with code ${code}`);
}
