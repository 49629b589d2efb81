/** One request on its way through the scheduler. */
import type { FinishReason, GenerateRequest, Generation, PromptToken } from '../engine.ts';
import type { Constraint } from '../sampling/constraint.ts';
import { createSampler, type Sampler } from '../sampling/sampler.ts';
import { PromptLogprobs } from './prompt-logprobs.ts';
import { PromptLookup } from './prompt-lookup.ts';
import type { SharedPrefix } from './shared-prefix.ts';
import { TokenQueue } from './token-queue.ts';

export class Sequence implements Generation {
  readonly request: GenerateRequest;
  readonly tokens: TokenQueue;
  readonly finishReason: Promise<FinishReason>;
  readonly promptLogprobs: Promise<readonly (PromptToken | null)[] | null>;
  /** null unless asked for. */
  readonly prompt: PromptLogprobs | null;
  readonly #lookup: PromptLookup | null;
  /** New tokens at most. */
  readonly maxTokens: number;
  cachedTokens = 0;
  slot = -1;
  /** Tokens of the prompt that are in the slot. */
  promptDone = 0;
  /** What it waits for another sequence to have read. */
  awaited: SharedPrefix | undefined;
  /** The last token, until the model has seen it. */
  pending: number[] = [];
  /** Of the next token, kept until its grammar says which may come. */
  heldLogits: Float32Array | undefined;
  #generated = 0;
  #aborted = false;
  #finished = false;
  readonly #stops: ReadonlySet<number>;
  readonly #sample: Sampler;
  readonly #constraint: Constraint | undefined;
  readonly #settle: PromiseWithResolvers<FinishReason>;
  readonly #settlePrompt: PromiseWithResolvers<readonly (PromptToken | null)[] | null>;
  readonly #detach: () => void;

  constructor(
    request: GenerateRequest,
    limits: {
      readonly maxTokens: number;
      readonly eosTokenIds: readonly number[];
      readonly maxDraft: number;
      /** Of the request's grammar. */
      readonly constraint?: Constraint | undefined;
    },
    signal: AbortSignal | undefined,
    onAbort: (sequence: Sequence) => void,
  ) {
    this.request = request;
    this.maxTokens = limits.maxTokens;
    this.#stops = new Set([...request.stopTokenIds, ...(request.ignoreEos ? [] : limits.eosTokenIds)]);
    const { constraint } = limits;
    this.#constraint = constraint;
    this.#sample = createSampler(request, { promptIds: request.promptIds, stopIds: this.#stops, constraint });
    const { promptIds, promptLogprobs } = request;
    this.prompt = promptLogprobs === null ? null : new PromptLogprobs(promptIds, promptLogprobs);
    this.#lookup = limits.maxDraft > 0 ? new PromptLookup(promptIds, limits.maxDraft) : null;
    this.#settle = Promise.withResolvers<FinishReason>();
    this.#settlePrompt = Promise.withResolvers<readonly (PromptToken | null)[] | null>();
    this.finishReason = this.#settle.promise;
    this.promptLogprobs = this.#settlePrompt.promise;
    // A caller that only reads the tokens learns of a failure there.
    this.finishReason.catch(() => undefined);
    this.promptLogprobs.catch(() => undefined);
    const abort = (): void => {
      if (this.#finished || this.#aborted) return;
      this.#aborted = true;
      onAbort(this);
    };
    this.tokens = new TokenQueue(abort);
    signal?.addEventListener('abort', abort, { once: true });
    this.#detach = () => signal?.removeEventListener('abort', abort);
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get finished(): boolean {
    return this.#finished;
  }

  get ended(): boolean {
    return this.#finished || this.#aborted;
  }

  /** Whether a part of the prompt is not in the slot. */
  get reading(): boolean {
    return this.promptDone < this.request.promptIds.length;
  }

  /** Whether the next step yields a token. */
  get decoding(): boolean {
    return this.pending.length > 0 && !this.#finished;
  }

  /** Settles when `accept` may be called; undefined where that is now. */
  ready(): Promise<void> | undefined {
    return this.#constraint?.ready();
  }

  /** A guess of the tokens after the pending one, all but the last that may come. */
  draft(): number[] {
    return this.#lookup?.propose(this.maxTokens - this.#generated - 1) ?? [];
  }

  drafted(proposed: number, accepted: number): void {
    this.#lookup?.judge(proposed, accepted);
  }

  /** The whole prompt is in the slot. */
  promptRead(): void {
    this.#settlePrompt.resolve(this.prompt?.entries ?? null);
    if (this.maxTokens === 0) this.finish('length');
  }

  /** Takes the token that the logits after the last pending token give, and ends the sequence if it is the last. */
  accept(logits: Float32Array): void {
    const token = this.#sample(logits);
    if (this.#stops.has(token.id)) {
      this.finish('stop');
      return;
    }
    this.#generated += 1;
    this.pending = [token.id];
    this.tokens.push(token);
    this.#lookup?.push(token.id);
    if (this.#generated >= this.maxTokens) this.finish('length');
  }

  abort(): void {
    this.#aborted = true;
  }

  finish(reason: FinishReason): void {
    this.#end();
    this.#settlePrompt.resolve(null);
    this.#settle.resolve(reason);
  }

  fail(error: unknown): void {
    this.#end(error);
    this.#settlePrompt.reject(error);
    this.#settle.reject(error);
  }

  #end(error?: unknown): void {
    this.#finished = true;
    this.#detach();
    this.#constraint?.close();
    this.tokens.end(error);
  }
}
