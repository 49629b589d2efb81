/** The decoder's graph with all that a run reads and writes bound in place: keys, values, tables, ids, lengths, logits. */
import type { Architecture } from '../model/architecture.ts';
import { decoderInputs, pastNames, presentNames, scaleNames, stagedNames } from '../model/graph/bindings.ts';
import { elementType } from '../model/graph/onnx.ts';
import type { KvScales } from './kv-scales.ts';
import { Arena } from './memory/arena.ts';
import type { KvCache } from './memory/kv-cache.ts';
import { Mapping } from './memory/mapping.ts';
import type { RunBinding, Session } from './ort/session.ts';
import { fillRotaryTables, rotationOf } from './rotary.ts';
import type { RotarySettings } from './rotary-frequencies.ts';

/** The same number of tokens for each of several slots side by side; more than one token a slot only for one slot. */
export interface GraphRun {
  readonly firstSlot: number;
  /** Of the first slot, then of the next. */
  readonly ids: readonly number[];
  /** Tokens that each slot holds already. */
  readonly past: readonly number[];
  /** The rows are consecutive tokens of the first slot, each of them a decode step; else each is a slot's. */
  readonly oneSlot?: boolean;
  /** Indexes into the tokens of a slot whose logits are wanted. */
  readonly at: readonly number[];
}

export interface BoundGraphSettings extends RotarySettings {
  readonly architecture: Architecture;
  /** Of one run at most: tokens, and rows of logits. */
  readonly maxRows: number;
  /** Scales of int8 keys and values; null is float32. */
  readonly kvScales: KvScales | null;
  /** As the graph was built. */
  readonly staged: boolean;
  /** Rows of one run that are consecutive tokens of one slot, at most. */
  readonly maxRepeats: number;
}

const smallTensorBytes = 1 << 16;
const { BYTES_PER_ELEMENT: floatBytes } = Float32Array;

export class BoundGraph {
  readonly #session: Session;
  readonly #kv: KvCache;
  readonly #vocabularySize: number;
  readonly #owned: DisposableStack;
  readonly #tables: Mapping;
  readonly #logits: Mapping;
  readonly #ids: Integers<BigInt64Array>;
  readonly #at: Integers<BigInt64Array>;
  readonly #lastIndexes: Integers<Int32Array>;
  readonly #totalLength: Integers<Int32Array>;
  /** 1 where each sequence of the run has one token. */
  readonly #oneToken: Integers<Uint8Array>;
  /** Addresses by slot. */
  readonly #repeats = new Map<number, readonly bigint[]>();
  readonly #maxRepeats: number;
  /** By the first slot, whether it is the only one, and the number of rows. */
  readonly #slotTensors = new Map<string, readonly bigint[]>();
  readonly #inputs: BigUint64Array;
  readonly #outputs: BigUint64Array;
  readonly #binding: RunBinding;

  constructor(session: Session, kv: KvCache, settings: BoundGraphSettings) {
    const { architecture, maxRows } = settings;
    const { layers, vocabularySize } = architecture;
    this.#session = session;
    this.#kv = kv;
    this.#vocabularySize = vocabularySize;
    this.#maxRepeats = settings.maxRepeats;
    using owned = new DisposableStack();
    const map = (bytes: number): Mapping => owned.adopt(new Mapping(bytes), (mapping) => mapping.unmap());
    const arena = new Arena(map(smallTensorBytes + maxRows * 24 + layers * 1024));
    this.#logits = map(maxRows * vocabularySize * floatBytes);
    this.#tables = map(2 * this.#tableBytes);
    this.#ids = integers(arena, BigInt64Array, maxRows);
    this.#at = integers(arena, BigInt64Array, maxRows);
    this.#lastIndexes = integers(arena, Int32Array, Math.max(kv.shape.slots, settings.maxRepeats));
    this.#totalLength = integers(arena, Int32Array, 1);
    this.#oneToken = integers(arena, Uint8Array, 1);
    const tables = this.#rotaryTables(settings);
    const kvPointers = new Array<bigint>(2 * layers).fill(0n);
    const scales = this.#scaleTensors(settings.kvScales, map);
    const scalars = this.#scalarTensors();
    const inputs = arena.pointers([0n, 0n, 0n, ...scalars, ...tables, ...kvPointers, ...scales]);
    const kvOutputs = settings.staged ? [presentNames, stagedNames] : [presentNames];
    const outputs = arena.pointers([0n, ...kvOutputs.flatMap(() => kvPointers)]);
    this.#inputs = inputs.values;
    this.#outputs = outputs.values;
    const names = (list: readonly string[]): bigint =>
      arena.pointers(list.map((name) => arena.string(name))).address;
    const layerNames = (of: (layer: number) => string[]): string[] =>
      Array.from({ length: layers }, (_, layer) => of(layer)).flat();
    this.#binding = {
      inputNames: names([
        ...decoderInputs,
        ...layerNames(pastNames),
        ...(settings.kvScales ? layerNames(scaleNames) : []),
      ]),
      inputs: inputs.address,
      inputCount: inputs.values.length,
      outputNames: names(['logits', ...kvOutputs.flatMap(layerNames)]),
      outputs: outputs.address,
      outputCount: outputs.values.length,
    };
    this.#owned = owned.move();
  }

  get #tableBytes(): number {
    return this.#kv.capacity * (this.#kv.shape.headDim / 2) * floatBytes;
  }

  /** Tensors of cos and sin. */
  #rotaryTables(settings: BoundGraphSettings): bigint[] {
    const bytes = this.#tableBytes;
    const { headDim } = this.#kv.shape;
    const cos = new Float32Array(this.#tables.view(0, bytes));
    const sin = new Float32Array(this.#tables.view(bytes, bytes));
    fillRotaryTables(cos, sin, rotationOf(settings), headDim / 2);
    const shape = [this.#kv.capacity, headDim / 2];
    return [0, bytes].map((offset) =>
      this.#session.tensor(this.#tables.address + BigInt(offset), bytes, shape, elementType.FLOAT),
    );
  }

  #scaleTensors(scales: KvScales | null, map: (bytes: number) => Mapping): bigint[] {
    const { heads, headDim } = this.#kv.shape;
    return (scales ?? []).map((values) => {
      const mapping = map(values.byteLength);
      new Float32Array(mapping.view(0, values.byteLength)).set(values);
      const shape = [1, heads, 1, headDim];
      return this.#session.tensor(mapping.address, values.byteLength, shape, elementType.FLOAT);
    });
  }

  #scalarTensors(): bigint[] {
    return [
      this.#session.tensor(this.#totalLength.address, 4, [], elementType.INT32),
      this.#session.tensor(this.#oneToken.address, 1, [], elementType.BOOL),
    ];
  }

  /** Logits of the wanted tokens of the first slot, of the next slot, ...; valid until the next run. */
  async run({ firstSlot, ids, past, at, oneSlot = false }: GraphRun): Promise<Float32Array> {
    const { FLOAT, INT32, INT64 } = elementType;
    const batch = past.length;
    const tokens = ids.length / batch;
    this.#ids.values.set(ids.map(BigInt));
    this.#at.values.set(at.map(BigInt));
    this.#lastIndexes.values.set(past.map((length) => length + tokens - 1));
    this.#totalLength.values[0] = Math.max(...past) + tokens;
    this.#oneToken.values[0] = tokens === 1 ? 1 : 0;
    const logitBytes = batch * at.length * this.#vocabularySize * floatBytes;
    const logitShape = [batch, at.length, this.#vocabularySize];
    const values = [
      this.#session.tensor(this.#ids.address, ids.length * 8, [batch, tokens], INT64),
      this.#session.tensor(this.#at.address, at.length * 8, [at.length], INT64),
      this.#session.tensor(this.#lastIndexes.address, batch * 4, [batch], INT32),
      this.#session.tensor(this.#logits.address, logitBytes, logitShape, FLOAT),
    ] as const;
    [this.#inputs[0], this.#inputs[1], this.#inputs[2], this.#outputs[0]] = values;
    const slots = this.#slots(firstSlot, batch, oneSlot);
    this.#inputs.set(slots, decoderInputs.length);
    for (let at = 1; at < this.#outputs.length; at += slots.length) this.#outputs.set(slots, at);
    try {
      await this.#session.run(this.#binding);
    } finally {
      for (const value of values) this.#session.release(value);
    }
    return new Float32Array(this.#logits.view(0, logitBytes));
  }

  /** Keys and values of neighbouring slots, or of one slot over and over, as one tensor a layer. */
  #slots(first: number, count: number, oneSlot: boolean): readonly bigint[] {
    const key = `${first}${oneSlot ? 'x' : '+'}${count}`;
    const known = this.#slotTensors.get(key);
    if (known) return known;
    const { capacity, slotBytes, shape } = this.#kv;
    const dimensions = [count, shape.heads, capacity, shape.headDim];
    const type = shape.elementBytes === 1 ? elementType.INT8 : elementType.FLOAT;
    const addresses = oneSlot ? this.#repeated(first) : this.#kv.addresses(first);
    const tensors = addresses.map((address) =>
      this.#session.tensor(address, count * slotBytes, dimensions, type),
    );
    this.#slotTensors.set(key, tensors);
    return tensors;
  }

  #repeated(slot: number): readonly bigint[] {
    const addresses = this.#repeats.get(slot) ?? this.#kv.repeated(slot, this.#maxRepeats);
    this.#repeats.set(slot, addresses);
    return addresses;
  }

  /** After the session's close. */
  free(): void {
    this.#owned.dispose();
  }
}

interface Integers<T> {
  readonly address: bigint;
  readonly values: T;
}

interface IntegerArray<T> {
  new (buffer: ArrayBuffer): T;
  readonly BYTES_PER_ELEMENT: number;
}

function integers<T>(arena: Arena, Type: IntegerArray<T>, count: number): Integers<T> {
  const { address, buffer } = arena.allocate(count * Type.BYTES_PER_ELEMENT);
  return { address, values: new Type(buffer) };
}
