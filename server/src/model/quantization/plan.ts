/** Which tensors the cache file holds and where: known before a weight is read, so that parts are written in any order. */
import type { Architecture } from '../architecture.ts';
import { quantizedNames } from '../graph/projections.ts';
import type { Tensor } from '../safetensors.ts';
import { expectedShapes, headName, layerPrefix, type Tensors } from '../tensors.ts';
import { type BlockFormat, blockBytes, blocksOf, type FormatOf } from './block.ts';

/** A place in the cache file. */
export interface Target {
  readonly name: string;
  readonly dtype: 'U8' | 'F32';
  readonly shape: readonly number[];
  readonly offset: number;
  readonly bytes: number;
}

/** Sources stacked row after row into one target each. */
export interface Part {
  readonly sources: readonly Tensor[];
  /** null: vectors, copied as float32. */
  readonly format: BlockFormat | null;
  /** One for vectors; values and scales for matrices. */
  readonly targets: readonly Target[];
}

export interface QuantizationPlan {
  readonly header: Uint8Array;
  readonly parts: readonly Part[];
  /** Of the sources. */
  readonly bytes: number;
  readonly fileBytes: number;
}

/** Tensors that one matrix product reads together. */
function stacks(architecture: Architecture): string[][] {
  const attention = ['q_proj', 'k_proj', 'v_proj'];
  const kinds = architecture.queryKeyValueBias ? ['weight', 'bias'] : ['weight'];
  return Array.from({ length: architecture.layers }, (_, layer) =>
    kinds.map((kind) => attention.map((name) => `${layerPrefix(layer)}self_attn.${name}.${kind}`)),
  ).flat();
}

function groups(architecture: Architecture): string[][] {
  const stacked = stacks(architecture);
  const inStack = new Set(stacked.flat());
  const head = headName(architecture);
  const single = [...expectedShapes(architecture).keys()]
    .filter((name) => !inStack.has(name) && (name === head || !name.startsWith('model.embed_tokens.')))
    .map((name) => [name]);
  return [...stacked, ...single];
}

const alignment = 64;
const align = (offset: number): number => Math.ceil(offset / alignment) * alignment;

type Unplaced = Omit<Target, 'offset' | 'bytes'>;

function targetsOf(sources: readonly Tensor[], format: BlockFormat | null): Unplaced[] {
  const name = sources[0]?.name ?? '';
  const rows = sources.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  if (!format) return [{ name, dtype: 'F32', shape: [rows] }];
  const blocks = blocksOf(sources[0]?.shape[1] ?? 0, format);
  const names = quantizedNames(name);
  return [
    { name: names.values, dtype: 'U8', shape: [rows, blocks, blockBytes(format)] },
    { name: names.scales, dtype: 'F32', shape: [rows * blocks] },
  ];
}

export function quantizationPlan(
  architecture: Architecture,
  tensors: Tensors,
  formatOf: FormatOf,
): QuantizationPlan {
  const planned = groups(architecture).map((names) => {
    const sources = names.map((name) => {
      const tensor = tensors.get(name);
      if (!tensor) throw new Error(`no tensor ${name}`);
      return tensor;
    });
    const format = sources[0]?.shape.length === 2 ? formatOf(names[0] ?? '') : null;
    return { sources, format, unplaced: targetsOf(sources, format) };
  });
  const { header, place, dataEnd } = layOut(planned.flatMap(({ unplaced }) => unplaced));
  const parts = planned.map(({ sources, format, unplaced }) => ({
    sources,
    format,
    targets: unplaced.map(place),
  }));
  const bytes = parts.flatMap(({ sources }) => sources).reduce((sum, source) => sum + source.bytes, 0);
  return { header, parts, bytes, fileBytes: header.length + dataEnd };
}

/** A safetensors header with every tensor on a multiple of 64 bytes of the file. */
function layOut(unplaced: readonly Unplaced[]) {
  const offsets = new Map<string, { from: number; bytes: number }>();
  const entries: Record<string, unknown> = {};
  let dataEnd = 0;
  for (const { name, dtype, shape } of unplaced) {
    const bytes = shape.reduce((product, n) => product * n, dtype === 'F32' ? 4 : 1);
    const from = align(dataEnd);
    offsets.set(name, { from, bytes });
    entries[name] = { dtype, shape, data_offsets: [from, from + bytes] };
    dataEnd = from + bytes;
  }
  const json = JSON.stringify(entries);
  const header = Buffer.alloc(align(8 + Buffer.byteLength(json)), ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.write(json, 8);
  const place = (target: Unplaced): Target => {
    const { from, bytes } = offsets.get(target.name) ?? { from: 0, bytes: 0 };
    return { ...target, offset: header.length + from, bytes };
  };
  return { header, place, dataEnd };
}
