/** What the clients of the load ask: both endpoints, whole and streamed, of mixed lengths, some with the same beginning. */

export interface LoadRequest {
  readonly path: '/v1/chat/completions' | '/v1/completions';
  readonly body: Readonly<Record<string, unknown>> & { readonly stream: boolean };
  readonly promptCharacters: number;
}

/** xorshift: the same numbers for the same seed, from 0 to below 1. */
export function numbers(seed: number): () => number {
  // Neighbours among the seeds must not begin alike.
  let state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const letters = 'abcdefghijklmnopqrstuvwxyz      ';

export function randomText(random: () => number, length: number): string {
  return Array.from({ length }, () => letters[Math.floor(random() * letters.length)]).join('');
}

const documents = 5;

/** Greedy; the log-probability of each token tells answers apart whose text is the same. */
export function loadRequests(count: number, longest: number): LoadRequest[] {
  const random = numbers(6);
  const texts = Array.from({ length: documents }, () => randomText(random, longest));
  return Array.from({ length: count }, (_, i): LoadRequest => {
    // Most are short and a few are as long as they may be.
    const length = 1 + Math.floor(random() ** 3 * (longest - 30));
    const prompt = `${texts[i % documents]?.slice(0, length)}${randomText(random, Math.floor(random() * 20))}`;
    const shared = {
      temperature: 0,
      ignore_eos: true,
      max_tokens: 1 + Math.floor(random() ** 2 * 100),
      stream: random() < 0.6,
      ...(random() < 0.2 ? { stop: randomText(random, 1) } : {}),
    };
    const isChat = random() < 0.4;
    const messages = [{ role: 'user', content: prompt }];
    return {
      path: isChat ? '/v1/chat/completions' : '/v1/completions',
      body: isChat ? { ...shared, messages, logprobs: true } : { ...shared, prompt, logprobs: 1 },
      promptCharacters: prompt.length,
    };
  });
}
