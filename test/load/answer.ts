/** One answer of either endpoint, whole or streamed, in one form: equal answers are equal objects. */

export interface Answer {
  readonly text: string;
  readonly tokens: readonly string[];
  readonly logprobs: readonly number[];
  readonly finishReason: string | null;
}

interface Logprobs {
  /** /v1/completions */
  tokens?: string[];
  token_logprobs?: number[];
  /** /v1/chat/completions */
  content?: { token: string; logprob: number }[];
}

interface Choice {
  text?: string;
  message?: { content: string };
  delta?: { content?: string };
  logprobs?: Logprobs | null;
  finish_reason: string | null;
}

interface Body {
  choices: Choice[];
  error?: { code: string; message: string };
}

/** Throws for an error event, and for a stream that ends without its last one. */
export async function readAnswer(response: Response, isStream: boolean): Promise<Answer> {
  if (!isStream) return join([(await response.json()) as Body]);
  const events = [...(await response.text()).matchAll(/^data: (.*)$/gm)].map(([, data]) => data ?? '');
  if (events.pop() !== '[DONE]') throw new Error('the stream ended without [DONE]');
  return join(events.map((data) => JSON.parse(data) as Body));
}

function join(bodies: readonly Body[]): Answer {
  const failed = bodies.find(({ error }) => error !== undefined);
  if (failed) throw new Error(`the stream ended with ${JSON.stringify(failed.error)}`);
  const choices = bodies.flatMap((body) => body.choices);
  const scores = choices.map(({ logprobs }) => logprobs ?? {});
  return {
    text: choices
      .map(({ text, message, delta }) => text ?? message?.content ?? delta?.content ?? '')
      .join(''),
    tokens: scores.flatMap(({ tokens, content = [] }) => tokens ?? content.map(({ token }) => token)),
    logprobs: scores.flatMap(
      ({ token_logprobs: ofTokens, content = [] }) => ofTokens ?? content.map(({ logprob }) => logprob),
    ),
    finishReason: choices.findLast(({ finish_reason: reason }) => reason !== null)?.finish_reason ?? null,
  };
}
