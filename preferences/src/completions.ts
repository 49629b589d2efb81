/** Chat completions of an OpenAI-compatible server, with the patience that a restarting server needs. */
import { setTimeout } from 'node:timers/promises';
import { exitCodes, type GenerateConfig } from '@longpo/api';
import OpenAI from 'openai';
import { GenerateError } from './errors.ts';

export interface Reply {
  text: string;
  tokens: number;
  /** The prompt does not fit the server's context. */
  tooLong: boolean;
}

export type Completions = (
  prompt: string,
  decoding: GenerateConfig['answer'],
  seed: number,
) => Promise<Reply>;

export interface CompletionsOptions {
  endpoint: string;
  apiKey: string;
  model: string;
  /** How long an unreachable server is waited for. */
  patienceMs: number;
  signal: AbortSignal;
}

const firstDelayMs = 100;
const maxDelayMs = 5000;
/** A long prompt on CPUs takes its time; only a dead connection should end a request. */
const requestTimeoutMs = 24 * 3600 * 1000;

/** Worth asking again: no answer, too busy, or an error of the server. */
function isTransient(error: unknown): boolean {
  if (error instanceof OpenAI.APIConnectionError) return !(error instanceof OpenAI.APIUserAbortError);
  const status = error instanceof OpenAI.APIError ? (error.status as number | undefined) : undefined;
  return status === undefined || status === 408 || status === 409 || status === 429 || status >= 500;
}

const isTooLong = (error: unknown): boolean =>
  error instanceof OpenAI.BadRequestError &&
  (error.code === 'context_length_exceeded' ||
    /context length|context window|maximum context/i.test(error.message));

function refusal(error: unknown, endpoint: string): GenerateError {
  const reason = error instanceof Error ? error.message : String(error);
  return new GenerateError('ENDPOINT_REFUSED', `${endpoint} refuses the requests: ${reason}`);
}

export function openCompletions(options: CompletionsOptions): { ready(): Promise<void>; ask: Completions } {
  const { endpoint, apiKey, model, patienceMs, signal } = options;
  const client = new OpenAI({ baseURL: endpoint, apiKey, maxRetries: 0, timeout: requestTimeoutMs });

  async function patiently<T>(request: () => Promise<T>): Promise<T> {
    const started = Date.now();
    for (let wait = firstDelayMs; ; wait = Math.min(wait * 2, maxDelayMs)) {
      try {
        return await request();
      } catch (error) {
        signal.throwIfAborted();
        if (!isTransient(error)) throw error;
        if (Date.now() - started > patienceMs)
          throw new GenerateError(
            'ENDPOINT_UNREACHABLE',
            `${endpoint} does not answer: ${(error as Error).message}; start it, then run again`,
            exitCodes.tryAgain,
          );
        await setTimeout(wait, undefined, { signal });
      }
    }
  }

  const ask: Completions = async (prompt, { temperature, topP, maxTokens }, seed) => {
    try {
      const body = {
        model,
        messages: [{ role: 'user' as const, content: prompt }],
        max_tokens: maxTokens,
        temperature,
        top_p: topP,
        seed,
      };
      const reply = await patiently(() => client.chat.completions.create(body, { signal }));
      return {
        text: reply.choices[0]?.message.content ?? '',
        tokens: reply.usage?.total_tokens ?? 0,
        tooLong: false,
      };
    } catch (error) {
      if (isTooLong(error)) return { text: '', tokens: 0, tooLong: true };
      throw error instanceof OpenAI.APIError ? refusal(error, endpoint) : error;
    }
  };
  return {
    ask,
    async ready() {
      try {
        await patiently(() => client.models.list({ signal }));
      } catch (error) {
        throw error instanceof OpenAI.APIError ? refusal(error, endpoint) : error;
      }
    },
  };
}
