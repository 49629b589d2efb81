/** Small native memory carved from one mapping: what a run reads and writes besides keys and values. */
import type { Mapping } from './mapping.ts';

const alignment = 64;

export interface NativeBlock {
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
}

export class Arena {
  readonly #mapping: Mapping;
  #used = 0;

  constructor(mapping: Mapping) {
    this.#mapping = mapping;
  }

  allocate(bytes: number): NativeBlock {
    const offset = this.#used;
    this.#used += Math.ceil(Math.max(bytes, 1) / alignment) * alignment;
    return { address: this.#mapping.address + BigInt(offset), buffer: this.#mapping.view(offset, bytes) };
  }

  /** The address of a zero-terminated copy. */
  string(text: string): bigint {
    const bytes = Buffer.from(`${text}\0`);
    const block = this.allocate(bytes.length);
    new Uint8Array(block.buffer).set(bytes);
    return block.address;
  }

  /** An array of pointers. */
  pointers(values: readonly bigint[]): { readonly address: bigint; readonly values: BigUint64Array } {
    const block = this.allocate(values.length * 8);
    const table = new BigUint64Array(block.buffer);
    table.set(values);
    return { address: block.address, values: table };
  }
}
