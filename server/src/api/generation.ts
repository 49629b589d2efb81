/** One answer of the engine as text: decoded, cut at stop strings, timed. Both endpoints are faces of this. */
import type { Tokenizer } from '@longpo/tokens';
import type { Engine, GeneratedToken, Generation } from '../engine/engine.ts';
import type { Metrics } from '../metrics.ts';
import { contextLengthExceeded } from './errors.ts';
import { StopStrings } from './stop-strings.ts';

export interface TextRequest {
  promptIds: readonly number[];
  maxTokens: number | null;
  temperature: number;
  topP: number;
  topK: number;
  seed: number | null;
  stop: string | readonly string[] | null;
  ignoreEos: boolean;
  topLogprobs: number | null;
}

export interface TextPiece {
  text: string;
  token: GeneratedToken;
}

export type Finish = 'stop' | 'length';

export interface TextGeneration {
  pieces: AsyncIterable<TextPiece>;
  /** Known once the pieces have ended. */
  summary(): { finish: Finish; completionTokens: number; cachedTokens: number; tail: string };
  promptTokens: number;
}

export function generateText(
  { engine, tokenizer, metrics }: { engine: Engine; tokenizer: Tokenizer; metrics: Metrics },
  request: TextRequest,
  signal: AbortSignal,
): TextGeneration {
  const promptTokens = request.promptIds.length;
  const room = engine.maxModelLen - promptTokens;
  if (room < (request.maxTokens ?? 1))
    throw contextLengthExceeded(promptTokens, request.maxTokens ?? 1, engine.maxModelLen);
  const stops = new StopStrings(request.stop);
  const end = new AbortController();
  const generation = engine.generate(
    {
      promptIds: request.promptIds,
      maxTokens: request.maxTokens ?? room,
      temperature: request.temperature,
      topP: request.topP,
      topK: request.topK,
      seed: request.seed,
      stopTokenIds: [],
      ignoreEos: request.ignoreEos,
      topLogprobs: request.topLogprobs,
    },
    AbortSignal.any([signal, end.signal]),
  );
  let completionTokens = 0;
  let finish: Finish = 'length';
  let tail = '';

  async function* pieces(): AsyncGenerator<TextPiece> {
    const decoder = tokenizer.streamDecoder();
    const timing = metrics.startRequest(promptTokens);
    try {
      for await (const token of generation.tokens) {
        completionTokens++;
        timing.token();
        const text = stops.push(decoder.push(token.id));
        yield { text, token };
        if (stops.found) break;
      }
      if (!stops.found) tail = stops.push(decoder.end()) + stops.end();
      finish = stops.found ? 'stop' : await finishOf(generation);
    } finally {
      end.abort();
      const ended = signal.aborted ? 'abort' : finish;
      timing.end(ended, completionTokens, generation.cachedTokens);
    }
  }
  return {
    pieces: pieces(),
    promptTokens,
    summary: () => ({ finish, completionTokens, cachedTokens: generation.cachedTokens, tail }),
  };
}

async function finishOf(generation: Generation): Promise<Finish> {
  return (await generation.finishReason) === 'stop' ? 'stop' : 'length';
}

export function usageOf(generations: TextGeneration[]): object {
  const sum = (value: (generation: TextGeneration) => number) =>
    generations.reduce((total, g) => total + value(g), 0);
  const prompt = sum((g) => g.promptTokens);
  const completion = sum((g) => g.summary().completionTokens);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum((g) => g.summary().cachedTokens) },
  };
}
