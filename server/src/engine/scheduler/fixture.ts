/** Test fixture: a model that is easy to foretell, and a scheduler over it. */
import type { GeneratedToken, GenerateRequest, Generation } from '../engine.ts';
import { defaultSampling } from '../sampling/settings.ts';
import type { DecodeRow, Runner, Step } from './runner.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';

export const vocabularySize = 1000;

/** A model whose next token is the sum of all tokens so far: it notices any step on the wrong slot or position. */
export class SumRunner implements Runner {
  readonly slots: number;
  readonly positions = 500;
  readonly chunkTokens = 10;
  readonly vocabularySize = vocabularySize;
  readonly decodesAsItReads: boolean = true;
  maxDraft = 0;
  /** Slots, tokens and pasts of every call. */
  readonly calls: { slots: number[]; tokens: number; past: number[] }[] = [];
  readonly truncated: [slot: number, length: number][] = [];
  readonly expected: [slot: number, tokens: number][] = [];
  /** Called within every run; what it returns is waited for. */
  during: (steps: readonly Step[]) => unknown = () => undefined;
  closed = 0;
  #terminate: ((error: Error) => void) | undefined;
  readonly #tokens: Int32Array[];

  constructor(slots: number) {
    this.slots = slots;
    this.#tokens = Array.from({ length: slots }, () => new Int32Array(this.positions));
  }

  kvBytes(tokens: number): number {
    return tokens * 8;
  }

  async run(step: Step): Promise<Float32Array> {
    await this.#call([step]);
    const { at = [step.ids.length - 1] } = step;
    const rows = at.map((index) => this.#after(step.slot, step.past + index + 1));
    return Float32Array.from(rows.flatMap((row) => [...row]));
  }

  async decode(rows: readonly DecodeRow[]): Promise<Float32Array[]> {
    await this.#call(rows.map(({ slot, id, past }) => ({ slot, ids: [id], past })));
    return rows.map(({ slot, past }) => this.#after(slot, past + 1));
  }

  async verify({ slot, ids, past }: Step): Promise<Float32Array[]> {
    await this.#call([{ slot, ids, past }]);
    return ids.map((_, i) => this.#after(slot, past + i + 1));
  }

  async #call(steps: readonly Step[]): Promise<void> {
    if (this.#terminate) throw new Error('two runs at once');
    const { promise, reject } = Promise.withResolvers<never>();
    this.#terminate = reject;
    try {
      this.calls.push({
        slots: steps.map(({ slot }) => slot),
        tokens: steps.reduce((sum, { ids }) => sum + ids.length, 0),
        past: steps.map(({ past }) => past),
      });
      await Promise.race([this.during(steps), promise]);
    } finally {
      this.#terminate = undefined;
    }
    for (const { slot, past, ids } of steps) {
      this.#tokens[slot]?.set(ids, past);
    }
  }

  #after(slot: number, length: number): Float32Array {
    const logits = new Float32Array(vocabularySize);
    const sum = this.#tokens[slot]?.subarray(0, length).reduce((total, id) => total + id, 0) ?? 0;
    logits[sum % vocabularySize] = 1;
    return logits;
  }

  memory(slot: number, tokens: number): Uint8Array[] {
    const ids = this.#tokens[slot] ?? new Int32Array();
    return [new Uint8Array(ids.buffer, 0, tokens * Int32Array.BYTES_PER_ELEMENT)];
  }

  terminate(): void {
    this.#terminate?.(new Error('terminated'));
  }

  expect(slot: number, tokens: number): void {
    this.expected.push([slot, tokens]);
  }

  truncate(slot: number, length: number): void {
    this.truncated.push([slot, length]);
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

/** Aborts amid the step after so many tokens, which then ends by that alone. */
export function abortDuring(runner: SumRunner, past: number): AbortController {
  const controller = new AbortController();
  runner.during = ([step]) => {
    if (step?.past !== past) return undefined;
    queueMicrotask(() => controller.abort());
    return new Promise(() => undefined);
  };
  return controller;
}

export const request = (promptIds: number[], changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  ...defaultSampling,
  promptIds,
  maxTokens: 3,
  temperature: 0,
  ...changes,
});

export const schedule = (runner: Runner, options: Partial<SchedulerOptions> = {}): Scheduler =>
  new Scheduler(runner, { eosTokenIds: [], ...options });

export async function read({ tokens }: Generation): Promise<number[]> {
  const all: GeneratedToken[] = [];
  for await (const token of tokens) all.push(token);
  return all.map(({ id }) => id);
}

export function expected(promptIds: number[], count: number): number[] {
  const tokens = [...promptIds];
  for (let i = 0; i < count; i++) tokens.push(tokens.reduce((sum, id) => sum + id, 0) % vocabularySize);
  return tokens.slice(promptIds.length);
}

export const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from + i);
