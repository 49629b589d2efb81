/** The decoder of one model, ready to run: session, keys and values, and the small tensors of a step. */
import type { Architecture } from '../model/architecture.ts';
import {
  decoderGraph,
  decoderInputs,
  paddedHeadDim,
  pastNames,
  presentNames,
} from '../model/graph/decoder.ts';
import { elementType } from '../model/graph/onnx.ts';
import type { QuantizedWeights } from '../model/graph/projections.ts';
import type { Tensors } from '../model/tensors.ts';
import { Arena, type NativeBlock } from './memory/arena.ts';
import { KvCache } from './memory/kv-cache.ts';
import { Mapping } from './memory/mapping.ts';
import { type RunBinding, Session } from './ort/session.ts';
import { fillRotaryTables } from './rotary.ts';
import { rotaryFrequencies } from './rotary-frequencies.ts';
import type { Runner, Step } from './scheduler/runner.ts';

export interface DecoderSettings {
  readonly architecture: Architecture;
  readonly tensors: Tensors;
  readonly quantized: QuantizedWeights | null;
  readonly positions: number;
  readonly ropeTheta: number;
  readonly slots: number;
  readonly threads: number;
  /** Tokens of one run at most. */
  readonly chunkTokens: number;
  /**
   * Answers do not depend on how a prompt is cut into steps. The kernels for one row sum in another order than those
   * for two and more, which all agree; so a single token runs with a second row beside it that nobody reads. Measured
   * cost of a decode step: a tenth in float32, a quarter with 8 bits, a third with 4.
   */
  readonly bitEqual: boolean;
}

/** Of a step when bitEqual. */
const minRows = 2;

const smallTensorBytes = 1 << 16;

export class Decoder implements Runner {
  readonly chunkTokens: number;
  readonly slots: number;
  readonly positions: number;
  readonly vocabularySize: number;
  readonly #session: Session;
  readonly #minRows: number;
  readonly #memory: {
    readonly arena: Arena;
    readonly tables: Mapping;
    readonly logits: Mapping;
    readonly kv: KvCache;
  };
  readonly #ids: { readonly block: NativeBlock; readonly values: BigInt64Array };
  readonly #at: { readonly block: NativeBlock; readonly values: BigInt64Array };
  readonly #lastIndex: Int32Array;
  readonly #totalLength: Int32Array;
  readonly #slotTensors: readonly (readonly bigint[])[];
  readonly #inputs: BigUint64Array;
  readonly #outputs: BigUint64Array;
  readonly #binding: RunBinding;

  private constructor(session: Session, settings: DecoderSettings) {
    const { architecture, chunkTokens, slots } = settings;
    const { layers, keyValueHeads: heads, vocabularySize } = architecture;
    const headDim = paddedHeadDim(architecture);
    this.#session = session;
    this.#minRows = settings.bitEqual ? minRows : 1;
    this.chunkTokens = chunkTokens;
    this.slots = slots;
    this.positions = settings.positions;
    this.vocabularySize = vocabularySize;
    // The last position's second row needs a place too.
    const positions = settings.positions + minRows - 1;
    const kv = new KvCache({ layers, slots, heads, headDim, positions });
    const tableBytes = kv.capacity * (headDim / 2) * Float32Array.BYTES_PER_ELEMENT;
    const arena = new Arena(smallTensorBytes + chunkTokens * 16 + layers * 1024);
    const tables = new Mapping(2 * tableBytes);
    const logits = new Mapping(chunkTokens * vocabularySize * Float32Array.BYTES_PER_ELEMENT);
    this.#memory = { arena, tables, logits, kv };

    const cos = new Float32Array(tables.view(0, tableBytes));
    const sin = new Float32Array(tables.view(tableBytes, tableBytes));
    fillRotaryTables(cos, sin, rotaryFrequencies(settings), headDim / 2);
    this.#ids = integers(arena, Math.max(chunkTokens, minRows));
    this.#at = integers(arena, chunkTokens);
    const lastIndex = arena.allocate(4);
    const totalLength = arena.allocate(4);
    this.#lastIndex = new Int32Array(lastIndex.buffer);
    this.#totalLength = new Int32Array(totalLength.buffer);

    const { FLOAT, INT32 } = elementType;
    const tableShape = [kv.capacity, headDim / 2];
    const fixed = [
      session.tensor(lastIndex.address, 4, [1], INT32),
      session.tensor(totalLength.address, 4, [], INT32),
      session.tensor(tables.address, tableBytes, tableShape, FLOAT),
      session.tensor(tables.address + BigInt(tableBytes), tableBytes, tableShape, FLOAT),
    ];
    const kvShape = [1, heads, kv.capacity, headDim];
    this.#slotTensors = Array.from({ length: slots }, (_, slot) =>
      kv.addresses(slot).map((address) => session.tensor(address, kv.slotBytes, kvShape, FLOAT)),
    );
    const inputs = arena.pointers([0n, 0n, ...fixed, ...(this.#slotTensors[0] ?? [])]);
    const outputs = arena.pointers([0n, ...(this.#slotTensors[0] ?? [])]);
    this.#inputs = inputs.values;
    this.#outputs = outputs.values;
    const names = (list: readonly string[]): bigint =>
      arena.pointers(list.map((name) => arena.string(name))).address;
    const layerNames = (of: (layer: number) => string[]): string[] =>
      Array.from({ length: layers }, (_, layer) => of(layer)).flat();
    this.#binding = {
      inputNames: names([...decoderInputs, ...layerNames(pastNames)]),
      inputs: inputs.address,
      inputCount: inputs.values.length,
      outputNames: names(['logits', ...layerNames(presentNames)]),
      outputs: outputs.address,
      outputCount: outputs.values.length,
    };
  }

  static async open(settings: DecoderSettings): Promise<Decoder> {
    const graph = decoderGraph(settings.architecture, settings.tensors, settings.quantized);
    const session = await Session.open(graph, {
      threads: settings.threads,
      entries: sessionEntries,
    });
    return new Decoder(session, settings);
  }

  /** Computes a step and returns the logits of `step.at` (of the last token unless given); valid until the next step. */
  async run(step: Step): Promise<Float32Array> {
    const { FLOAT, INT64 } = elementType;
    const { ids, past, at = [ids.length - 1] } = step;
    if (ids.length === 0 || ids.length > this.chunkTokens || past + ids.length > this.positions) {
      throw new RangeError(`a step of ${ids.length} tokens after ${past} does not fit`);
    }
    ids.forEach((id, i) => {
      this.#ids.values[i] = BigInt(id);
    });
    at.forEach((position, i) => {
      this.#at.values[i] = BigInt(position);
    });
    // Rows beyond the ids repeat whatever ran there before: a valid id, masked from the rows ahead of it.
    const rows = Math.max(ids.length, this.#minRows);
    this.#lastIndex[0] = past + rows - 1;
    this.#totalLength[0] = past + rows;
    const logitBytes = at.length * this.vocabularySize * Float32Array.BYTES_PER_ELEMENT;
    const { address } = this.#memory.logits;
    const values = [
      this.#session.tensor(this.#ids.block.address, rows * 8, [1, rows], INT64),
      this.#session.tensor(this.#at.block.address, at.length * 8, [at.length], INT64),
      this.#session.tensor(address, logitBytes, [1, at.length, this.vocabularySize], FLOAT),
    ] as const;
    [this.#inputs[0], this.#inputs[1], this.#outputs[0]] = values;
    const slot = this.#slotTensors[step.slot] ?? [];
    this.#inputs.set(slot, decoderInputs.length);
    this.#outputs.set(slot, 1);
    try {
      await this.#session.run(this.#binding);
    } finally {
      for (const value of values) this.#session.release(value);
    }
    return new Float32Array(this.#memory.logits.view(0, logitBytes));
  }

  /** Makes the step in flight, if there is one, reject with RunTerminated. */
  terminate(): void {
    this.#session.terminate();
  }

  truncate(slot: number, length: number): void {
    this.#memory.kv.truncate(slot, length);
  }

  #closing: Promise<void> | undefined;

  close(): Promise<void> {
    this.#closing ??= this.#free();
    return this.#closing;
  }

  async #free(): Promise<void> {
    await this.#session.close();
    this.#memory.kv.free();
    this.#memory.tables.unmap();
    this.#memory.logits.unmap();
    this.#memory.arena.free();
  }
}

function integers(arena: Arena, count: number): { block: NativeBlock; values: BigInt64Array } {
  const block = arena.allocate(count * 8);
  return { block, values: new BigInt64Array(block.buffer) };
}

const sessionEntries = {
  // Locations in the graph are absolute paths without their first slash.
  'session.model_external_initializers_file_folder_path': '/',
  // Threads wait actively within a run, and sleep between runs.
  'session.force_spinning_stop': '1',
};
