/** Safetensors headers: where each tensor lies in which file. Reads no weights. */
import { open, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ModelError } from './model-error.ts';

export type Dtype = 'F32' | 'BF16' | 'F16' | 'U8';

export interface Tensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Real path: ONNX Runtime refuses external data behind a link. */
  readonly file: string;
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export const bytesPerElement: Record<Dtype, number> = { F32: 4, BF16: 2, F16: 2, U8: 1 };

const lengthPrefix = 8;
/** The format's own limit. */
const maxHeaderBytes = 100_000_000;

const entry = z.object({
  dtype: z.enum(['F32', 'BF16', 'F16', 'U8'], { error: 'dtype must be F32, BF16 or F16' }),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
const header = z.record(z.string(), entry);
const index = z.object({ weight_map: z.record(z.string(), z.string()) });

const truncated = (path: string, expected: number, actual: number): ModelError =>
  new ModelError(
    'MODEL_TRUNCATED',
    `${path}: expected ${expected} bytes, found ${actual}; the file is cut off, copy or download it again`,
  );

async function readHeader(path: string): Promise<{ json: string; dataStart: number; size: number }> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const prefix = Buffer.alloc(lengthPrefix);
  if (size < lengthPrefix) throw truncated(path, lengthPrefix, size);
  await file.read(prefix, 0, lengthPrefix, 0);
  const length = Number(prefix.readBigUInt64LE());
  if (length > maxHeaderBytes) throw new ModelError('MODEL_INVALID', `${path}: not a safetensors file`);
  const dataStart = lengthPrefix + length;
  if (size < dataStart) throw truncated(path, dataStart, size);
  const text = Buffer.alloc(length);
  await file.read(text, 0, length, lengthPrefix);
  return { json: text.toString('utf8'), dataStart, size };
}

function parseHeader(path: string, json: string): z.infer<typeof header> {
  let content: unknown;
  try {
    content = JSON.parse(json);
  } catch {
    throw new ModelError('MODEL_INVALID', `${path}: the safetensors header is not JSON`);
  }
  if (content && typeof content === 'object') Reflect.deleteProperty(content, '__metadata__');
  const parsed = header.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ModelError(
    'MODEL_INVALID',
    `${path}: tensor ${issue?.path.join('.') ?? '?'}: ${issue?.message ?? ''}`,
  );
}

/** The tensors of one file; throws if the file's length is not what the header says. */
export async function readSafetensors(path: string): Promise<Tensor[]> {
  const file = await realpath(path);
  const { json, dataStart, size } = await readHeader(path);
  let end = dataStart;
  const tensors = Object.entries(parseHeader(path, json)).map(([name, { dtype, shape, data_offsets }]) => {
    const [from, to] = data_offsets;
    const bytes = shape.reduce((product, n) => product * n, bytesPerElement[dtype]);
    if (to - from !== bytes) {
      throw new ModelError(
        'MODEL_INVALID',
        `${path}: tensor ${name}: ${to - from} bytes do not fit shape [${shape}]`,
      );
    }
    end = Math.max(end, dataStart + to);
    return { name, dtype, shape, file, offset: dataStart + from, bytes };
  });
  if (size < end) throw truncated(path, end, size);
  if (size > end) throw new ModelError('MODEL_INVALID', `${path}: expected ${end} bytes, found ${size}`);
  return tensors;
}

const missing = (path: string): ModelError =>
  new ModelError('MODEL_INCOMPLETE', `${path}: the file is missing`);

/** The safetensors files of a folder, as its shard index or the one-file convention names them. */
export async function safetensorsFiles(directory: string, names: ReadonlySet<string>): Promise<string[]> {
  const indexName = 'model.safetensors.index.json';
  if (!names.has(indexName)) {
    if (names.has('model.safetensors')) return ['model.safetensors'];
    throw missing(join(directory, 'model.safetensors'));
  }
  const path = join(directory, indexName);
  const parsed = index.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!parsed.success)
    throw new ModelError('MODEL_INVALID', `${path}: weight_map must name a file for every tensor`);
  const shards = [...new Set(Object.values(parsed.data.weight_map))].sort();
  const absent = shards.find((shard) => !names.has(shard));
  if (absent !== undefined) throw missing(join(directory, absent));
  return shards;
}
