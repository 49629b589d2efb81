/** Chat completions of an OpenAI-compatible server, with the patience that a restarting server needs. */
import { setTimeout } from 'node:timers/promises';
import { exitCodes, type GenerateConfig } from '@longpo/api';
import OpenAI from 'openai';
import * as z from 'zod';
import { GenerateError } from './errors.ts';
import { untimedFetch } from './http.ts';

export interface Reply {
  text: string;
  /** Prompt and completion. */
  tokens: number;
  /** `length`: cut at maxTokens. `too_long`: the prompt does not fit the server's context. */
  end: 'stop' | 'length' | 'too_long';
}

export interface Question {
  prompt: string;
  decoding: GenerateConfig['answer'];
  seed: number;
}

export interface Completions {
  /** Waits until the server answers. */
  ready(signal: AbortSignal): Promise<void>;
  ask(question: Question, signal: AbortSignal): Promise<Reply>;
}

export interface CompletionsOptions {
  endpoint: string;
  apiKey: string;
  model: string;
  /** How long a server that does not answer is waited for. */
  patienceMs: number;
}

const firstDelayMs = 100;
const maxDelayMs = 5000;
/** The client's own limit, which it must have; a long prompt on CPUs takes its time. */
const requestTimeoutMs = 24 * 3600 * 1000;

/** What is used of a reply; servers add to it what they like. */
const completion = z.object({
  choices: z
    .array(
      z.object({ message: z.object({ content: z.string().nullish() }), finish_reason: z.string().nullish() }),
    )
    .min(1),
  usage: z.object({ total_tokens: z.number().int() }).nullish(),
});

/** Worth asking again: no answer, half of one, too busy, or an error of the server. */
function isTransient(error: unknown): boolean {
  if (error instanceof OpenAI.APIUserAbortError) return false;
  if (error instanceof SyntaxError || error instanceof OpenAI.APIConnectionError) return true;
  if (!(error instanceof OpenAI.APIError)) return false;
  const status: unknown = error.status;
  return typeof status !== 'number' || [408, 409, 429].includes(status) || status >= 500;
}

const isTooLong = (error: unknown): boolean =>
  error instanceof OpenAI.BadRequestError &&
  (error.code === 'context_length_exceeded' ||
    /context (length|window|size)|maximum context/i.test(error.message));

/** Neither route nor method: it answers, it only has no list of models. */
const isNoSuchRoute = (error: unknown): boolean =>
  error instanceof OpenAI.APIError && (error.status === 404 || error.status === 405);

function causeOf(error: unknown): string {
  const chain: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) chain.push(at.message || at.name);
  return chain.join(': ');
}

/** Repeats a request until it is answered, with growing pauses, as long as patience lasts after the first failure. */
async function patiently<T>(
  request: () => Promise<T>,
  { endpoint, patienceMs }: CompletionsOptions,
  signal: AbortSignal,
): Promise<T> {
  let failingSince: number | undefined;
  for (let wait = firstDelayMs; ; wait = Math.min(wait * 2, maxDelayMs)) {
    signal.throwIfAborted();
    try {
      return await request();
    } catch (error) {
      signal.throwIfAborted();
      if (!isTransient(error)) throw error;
      failingSince ??= Date.now();
      if (Date.now() + wait - failingSince > patienceMs)
        throw new GenerateError(
          'ENDPOINT_UNREACHABLE',
          `${endpoint} does not answer: ${causeOf(error)}; start it, then run again`,
          exitCodes.tryAgain,
        );
      await setTimeout(wait, undefined, { signal });
    }
  }
}

export function openCompletions(options: CompletionsOptions): Completions {
  const { endpoint, apiKey, model } = options;
  const client = new OpenAI({
    baseURL: endpoint,
    apiKey,
    maxRetries: 0,
    timeout: requestTimeoutMs,
    fetch: untimedFetch,
    logLevel: 'off',
  });
  const refuse = (error: unknown): never => {
    if (!(error instanceof OpenAI.APIError) || error instanceof OpenAI.APIUserAbortError) throw error;
    throw new GenerateError('ENDPOINT_REFUSED', `${endpoint} refuses the requests: ${error.message}`);
  };

  async function ask({ prompt, decoding, seed }: Question, signal: AbortSignal): Promise<Reply> {
    const body = {
      model,
      messages: [{ role: 'user' as const, content: prompt }],
      max_tokens: decoding.maxTokens,
      temperature: decoding.temperature,
      top_p: decoding.topP,
      seed,
    };
    try {
      const reply = await patiently(() => client.chat.completions.create(body, { signal }), options, signal);
      return readReply(reply);
    } catch (error) {
      return isTooLong(error) ? { text: '', tokens: 0, end: 'too_long' } : refuse(error);
    }
  }

  function readReply(reply: unknown): Reply {
    const parsed = completion.safeParse(reply);
    const choice = parsed.data?.choices[0];
    if (choice === undefined)
      throw new GenerateError('ENDPOINT_REFUSED', `${endpoint} does not answer with a chat completion`);
    return {
      text: choice.message.content ?? '',
      tokens: parsed.data?.usage?.total_tokens ?? 0,
      end: choice.finish_reason === 'length' ? 'length' : 'stop',
    };
  }

  async function ready(signal: AbortSignal): Promise<void> {
    try {
      await patiently(() => client.models.list({ signal }), options, signal);
    } catch (error) {
      if (!isNoSuchRoute(error)) refuse(error);
    }
  }
  return { ready, ask };
}
