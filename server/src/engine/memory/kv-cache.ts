/**
 * Keys and values of every slot: one mapping a layer for keys, one for values, each [slot, head, position, dim].
 * Reserved for the full context, present only where written. Slots lie side by side so that one run can cover
 * several of them.
 */
import { hugePageBytes, Mapping, pageBytes } from './mapping.ts';

export interface KvShape {
  readonly layers: number;
  readonly slots: number;
  readonly heads: number;
  readonly headDim: number;
  /** 4 for float32, 1 for int8. */
  readonly elementBytes: number;
  /** Positions that a slot must hold at least. */
  readonly positions: number;
  /** Whether a slot's buffers can stand in for those of several neighbours. */
  readonly repeatable: boolean;
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);

/** Memory that so many positions of a slot take, in whole pages. */
export function kvBytes({ layers, heads, headDim, elementBytes }: KvShape, positions: number): number {
  const pages = Math.ceil((positions * headDim * elementBytes) / pageBytes);
  return 2 * layers * heads * pages * pageBytes;
}

export class KvCache {
  readonly shape: KvShape;
  /** Positions of a slot, rounded up so that every head starts on a page of its own, a huge one if it can fill it. */
  readonly capacity: number;
  readonly headBytes: number;
  readonly slotBytes: number;
  readonly #mappings: readonly Mapping[];
  /** By slot, bytes of a head that may be huge pages. */
  readonly #expected = new Map<number, number>();
  readonly #owned: DisposableStack;

  /** Throws, and holds nothing, if the system does not give so much address space. */
  constructor(shape: KvShape) {
    this.shape = shape;
    const rowBytes = shape.headDim * shape.elementBytes;
    const page = shape.positions * rowBytes < hugePageBytes ? pageBytes : hugePageBytes;
    const rowsPerPage = page / greatestCommonDivisor(rowBytes, page);
    this.capacity = Math.ceil(shape.positions / rowsPerPage) * rowsPerPage;
    this.headBytes = this.capacity * rowBytes;
    this.slotBytes = this.headBytes * shape.heads;
    using owned = new DisposableStack();
    this.#mappings = Array.from({ length: 2 * shape.layers }, () => this.#reserve(owned));
    this.#owned = owned.move();
  }

  #reserve(owner: DisposableStack): Mapping {
    const { slots, repeatable } = this.shape;
    const mapping = new Mapping(this.slotBytes * slots, repeatable ? 'repeatable' : 'private');
    owner.adopt(mapping, () => mapping.unmap());
    // A node that gives huge pages unasked would give one for the first token of each head.
    mapping.expectNothing(0, mapping.length);
    return mapping;
  }

  /** Keys and values of layer 0, of layer 1, ... */
  mappings(): readonly Mapping[] {
    return this.#mappings;
  }

  /** Addresses of a slot's buffers: keys and values of layer 0, of layer 1, ... */
  addresses(slot: number): bigint[] {
    const offset = BigInt(slot * this.slotBytes);
    return this.mappings().map(({ address }) => address + offset);
  }

  /** As `addresses`, of one slot so many times over: what one row writes, all rows read. */
  repeated(slot: number, times: number): bigint[] {
    return this.mappings().map((mapping) => mapping.repeat(slot * this.slotBytes, this.slotBytes, times));
  }

  bytes(positions: number): number {
    return kvBytes(this.shape, positions);
  }

  /** Keys and values of the slot's leading positions, head by head. */
  leading(slot: number, positions: number): Uint8Array[] {
    const bytes = positions * this.shape.headDim * this.shape.elementBytes;
    const heads = Array.from({ length: this.shape.heads }, (_, head) => head * this.headBytes);
    return this.mappings().flatMap((mapping) =>
      heads.map((at) => new Uint8Array(mapping.view(slot * this.slotBytes + at, bytes))),
    );
  }

  /** So many leading positions of the slot will be written. */
  expect(slot: number, positions: number): void {
    const bytes = positions * this.shape.headDim * this.shape.elementBytes;
    if (bytes < hugePageBytes) return;
    this.#eachHead(slot, (mapping, offset) => mapping.expect(offset, bytes));
    this.#expected.set(slot, bytes);
  }

  /** Gives the pages of a slot's positions from `length` on back to the system. */
  truncate(slot: number, length: number): void {
    const kept = length * this.shape.headDim * this.shape.elementBytes;
    const expectedMore = (this.#expected.get(slot) ?? 0) > kept;
    this.#eachHead(slot, (mapping, offset) => {
      mapping.release(offset + kept, this.headBytes - kept);
      if (expectedMore) mapping.expectNothing(offset + kept, this.headBytes - kept);
    });
    if (expectedMore) this.#expected.set(slot, kept);
  }

  #eachHead(slot: number, act: (mapping: Mapping, offset: number) => void): void {
    for (const mapping of this.mappings()) {
      for (let head = 0; head < this.shape.heads; head++)
        act(mapping, slot * this.slotBytes + head * this.headBytes);
    }
  }

  free(): void {
    this.#owned.dispose();
  }
}
