/** The decoder of one model, ready to run: which rows run together, and what of the slots they must leave alone. */
import { paddedHeadDim } from '../model/graph/bindings.ts';
import { decoderGraph } from '../model/graph/decoder.ts';
import { elementType } from '../model/graph/onnx.ts';
import type { QuantizedWeights } from '../model/graph/projections.ts';
import type { Tensors } from '../model/tensors.ts';
import { BoundGraph, type BoundGraphSettings } from './bound-graph.ts';
import { type DecodeGroup, decodeGroups } from './decode-groups.ts';
import type { KvType } from './engine.ts';
import type { KvScales } from './kv-scales.ts';
import { IdleRows } from './memory/idle-rows.ts';
import { KvCache, type KvShape } from './memory/kv-cache.ts';
import { Session } from './ort/session.ts';
import type { DecodeRow, Runner, Step } from './scheduler/runner.ts';

export interface DecoderSettings
  extends Omit<BoundGraphSettings, 'maxRows' | 'maxRepeats' | 'kvScales' | 'staged'> {
  readonly tensors: Tensors;
  readonly quantized: QuantizedWeights | null;
  readonly slots: number;
  readonly threads: number;
  /** Float weights are read where the file is mapped; else copied, see model/weight-residence.ts. */
  readonly mapWeights?: boolean;
  /** Tokens of one run at most. */
  readonly chunkTokens: number;
  /**
   * Answers do not depend on how a prompt is cut into chunks or on what else runs. Attention takes the tokens of a chunk
   * in blocks of an even size, and sums in another order for a block of one token than for longer ones. So a chunk of an
   * odd number of tokens gets a further row that nobody reads, and decoded tokens, whatever their number, all are blocks
   * of one.
   */
  readonly bitEqual: boolean;
  /** Tokens that one call of `verify` may take beyond the first; 0, which is off, unless given. */
  readonly maxDraft?: number;
  /** Keys and values are int8 of these scales; float32 unless given. */
  readonly kvScales?: KvScales | null;
}

/** The tokens of a chunk are a multiple of it when bitEqual. */
const chunkStep = 2;
/** A row that is there for the shape only. */
const idleToken = 0;

export class Decoder implements Runner {
  readonly chunkTokens: number;
  readonly slots: number;
  readonly positions: number;
  readonly vocabularySize: number;
  readonly decodesAsItReads: boolean;
  readonly maxDraft: number;
  readonly #session: Session;
  readonly #kv: KvCache;
  readonly #graph: BoundGraph;
  readonly #idle: IdleRows;
  readonly #chunkStep: number;
  /** Rows below which equal lengths would be summed by several threads, in another order: with int8 keys only. */
  readonly #minRaggedRows: number;
  #closing: Promise<void> | undefined;

  private constructor(session: Session, kv: KvCache, graph: BoundGraph, settings: DecoderSettings) {
    const { architecture, chunkTokens, slots, bitEqual } = settings;
    this.#session = session;
    this.#kv = kv;
    this.#graph = graph;
    this.#idle = new IdleRows(kv);
    this.#chunkStep = bitEqual ? chunkStep : 1;
    const splits = bitEqual && settings.kvScales != null;
    this.#minRaggedRows = splits ? Math.ceil(settings.threads / architecture.queryHeads) : 0;
    this.decodesAsItReads = !bitEqual;
    this.maxDraft = settings.maxDraft ?? 0;
    this.chunkTokens = chunkTokens;
    this.slots = slots;
    this.positions = settings.positions;
    this.vocabularySize = architecture.vocabularySize;
  }

  /** Holds nothing if it throws. */
  static async open(settings: DecoderSettings): Promise<Decoder> {
    const {
      architecture,
      tensors,
      quantized,
      chunkTokens,
      slots,
      threads,
      maxDraft = 0,
      kvScales = null,
    } = settings;
    await using made = new AsyncDisposableStack();
    const kv = made.adopt(
      new KvCache(kvShapeOf({ ...settings, kvType: kvScales ? 'int8' : 'f32' })),
      (cache) => cache.free(),
    );
    const kvType = kvScales ? elementType.INT8 : elementType.FLOAT;
    // The kernel of int8 keys writes them all before it attends.
    const staged = kv.shape.repeatable && kvScales === null;
    const graph = decoderGraph(architecture, tensors, quantized, { kvType, staged });
    const entries = {
      ...sessionEntries,
      ...(settings.mapWeights && quantized === null ? mappedEntries : {}),
    };
    const session = await Session.open(graph, { threads, entries });
    made.defer(() => session.close());
    const maxRepeats = maxDraft + 1;
    const maxRows = Math.max(chunkTokens + chunkStep - 1, slots + 1, maxRepeats);
    const bound = new BoundGraph(session, kv, { ...settings, kvScales, staged, maxRows, maxRepeats });
    made.move();
    return new Decoder(session, kv, bound, settings);
  }

  /** A first run touches every page of the weights; only then is the answer time what it will be. */
  async warmUp(): Promise<void> {
    const ids = [idleToken];
    await this.run({ slot: 0, ids, past: 0 });
    if (this.positions > ids.length) await this.decode([{ slot: 0, id: idleToken, past: ids.length }]);
    this.truncate(0, 0);
  }

  kvBytes(tokens: number): number {
    return this.#kv.bytes(tokens);
  }

  async run(step: Step): Promise<Float32Array> {
    const { slot, ids, past, at = [ids.length - 1] } = step;
    if (ids.length === 0 || ids.length > this.chunkTokens || past + ids.length > this.positions) {
      throw new RangeError(`a step of ${ids.length} tokens after ${past} does not fit`);
    }
    this.#idle.wake(slot);
    // The row beyond the ids is masked from the rows ahead of it.
    const padding = new Array<number>(ids.length % this.#chunkStep).fill(idleToken);
    return this.#graph.run({ firstSlot: slot, ids: [...ids, ...padding], past: [past], at });
  }

  /** One run for slots that are neighbours, or nearly. */
  async decode(rows: readonly DecodeRow[]): Promise<Float32Array[]> {
    const found = new Map<number, Float32Array>();
    for (const { slot } of rows) this.#idle.wake(slot);
    const groups = decodeGroups(rows).map((group) => this.#ragged(group));
    for (const [i, group] of groups.entries()) {
      const logits = await this.#decodeGroup(group);
      // The next run writes over them.
      const own = i < groups.length - 1 ? logits.slice() : logits;
      for (const [row, decoded] of group.rows.entries()) {
        if (decoded)
          found.set(decoded.slot, own.subarray(row * this.vocabularySize, (row + 1) * this.vocabularySize));
      }
    }
    return rows.flatMap(({ slot }) => found.get(slot) ?? []);
  }

  #decodeGroup({ firstSlot, rows }: DecodeGroup): Promise<Float32Array> {
    for (const [i, row] of rows.entries()) if (!row) this.#idle.lend(firstSlot + i);
    return this.#graph.run({
      firstSlot,
      ids: rows.map((row) => row?.id ?? idleToken),
      past: rows.map((row) => row?.past ?? 0),
      at: [0],
    });
  }

  /**
   * With bitEqual each token is a row of its own over the same slot: the keys and values of all rows are stored before
   * any of them attends, so each finds what the rows before it wrote, and all take the kernel of a decode step.
   */
  async verify({ slot, ids, past }: Step): Promise<Float32Array[]> {
    this.#idle.wake(slot);
    const rows = [...ids.keys()];
    const logits = await this.#graph.run(
      this.decodesAsItReads
        ? { firstSlot: slot, ids, past: [past], at: rows }
        : { firstSlot: slot, ids, past: rows.map((row) => past + row), at: [0], oneSlot: true },
    );
    const { vocabularySize } = this;
    return rows.map((row) => logits.subarray(row * vocabularySize, (row + 1) * vocabularySize));
  }

  /** Where the kernel would split the keys of equally long rows among threads, an idle row makes them unequal. */
  #ragged(group: DecodeGroup): DecodeGroup {
    return group.rows.length < this.#minRaggedRows ? { ...group, rows: [...group.rows, null] } : group;
  }

  terminate(): void {
    this.#session.terminate();
  }

  memory(slot: number, tokens: number): Uint8Array[] {
    this.#idle.wake(slot);
    return this.#kv.leading(slot, tokens);
  }

  expect(slot: number, tokens: number): void {
    this.#kv.expect(slot, tokens);
  }

  truncate(slot: number, length: number): void {
    this.#idle.wake(slot);
    this.#kv.truncate(slot, length);
  }

  close(): Promise<void> {
    this.#closing ??= this.#free();
    return this.#closing;
  }

  async #free(): Promise<void> {
    await this.#session.close();
    this.#kv.free();
    this.#graph.free();
  }
}

export interface KvSettings
  extends Pick<DecoderSettings, 'architecture' | 'slots' | 'positions' | 'bitEqual' | 'maxDraft'> {
  readonly kvType: KvType;
}

/** What the keys and values of a decoder take. */
export function kvShapeOf(settings: KvSettings): KvShape {
  const { architecture, slots, positions, bitEqual, maxDraft = 0, kvType } = settings;
  return {
    layers: architecture.layers,
    // One more, so that the last one has a neighbour too.
    slots: slots + 1,
    heads: architecture.keyValueHeads,
    headDim: paddedHeadDim(architecture),
    elementBytes: kvType === 'int8' ? 1 : 4,
    // The row beyond the last position needs a place too.
    positions: positions + chunkStep - 1,
    repeatable: bitEqual && maxDraft > 0,
  };
}

const sessionEntries = {
  // Locations in the graph are absolute paths without their first slash.
  'session.model_external_initializers_file_folder_path': '/',
  // Threads wait actively within a run, and sleep between runs.
  'session.force_spinning_stop': '1',
};

/** Neither packed for the kernels nor cast when the graph is loaded. */
const mappedEntries = {
  'session.disable_prepacking': '1',
  'optimization.disable_specified_optimizers': 'ConstantFolding',
};
