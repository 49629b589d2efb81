/** 10,000 bodies from a generator: whatever comes, the answer is an answer or a refusal in our shape. */
import type { Tokenizer } from '@longpo/tokens';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { byteTokenizer, testApp } from './fixture.ts';
import { errorResponse } from './responses.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

const paths = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/tokenize', '/detokenize'];
const path = fc.constantFrom(...paths);
/** The engine answers the first two with text. */
const generating = fc.constantFrom(...paths.slice(0, 2));

const fields = [
  ...[
    'model',
    'messages',
    'prompt',
    'tokens',
    'stream',
    'stream_options',
    'n',
    'stop',
    'seed',
    'echo',
    'logprobs',
  ],
  ...[
    'temperature',
    'top_p',
    'top_k',
    'min_p',
    'repetition_penalty',
    'presence_penalty',
    'frequency_penalty',
  ],
  ...['logit_bias', 'stop_token_ids', 'min_tokens', 'max_tokens', 'max_completion_tokens', 'top_logprobs'],
  ...['response_format', 'structured_outputs', 'tools', 'tool_choice', 'best_of', 'suffix', '__proto__'],
];
const base = { model: 'tiny', messages: [{ role: 'user', content: 'Hi' }], prompt: 'Hi', max_tokens: 2 };

/** Nearly right: one to three fields hold anything. */
const mutated = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 4 })), {
    minLength: 1,
    maxLength: 3,
    selector: ([name]) => name,
  })
  .map((changes) => JSON.stringify({ ...base, ...Object.fromEntries(changes) }));

/** No request at all: not JSON, or JSON that is no object with the required fields. */
const senseless = fc.oneof(
  fc.string({ unit: 'binary' }).filter((text) => !text.trimStart().startsWith('{')),
  fc.json().filter((text) => !text.startsWith('{')),
  fc.string().map((text) => `{"model": "tiny", "prompt": ${JSON.stringify(text)}, `),
  fc.integer({ min: 1, max: 20_000 }).map((depth) => '['.repeat(depth)),
  fc.integer({ min: 1, max: 20_000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
);

const runs = 5000;
const minutes = 60_000;

describe('a malformed body', { timeout: 5 * minutes }, () => {
  it('that is no request is refused by every endpoint', async () => {
    const { post } = testApp(tokenizer, 'x');
    await fc.assert(
      fc.asyncProperty(path, senseless, async (to, body) => {
        const response = await post(to, body);
        expect(response.status).toBe(400);
        expect(errorResponse.safeParse(await response.json()).success).toBe(true);
      }),
      { numRuns: runs },
    );
  });

  it('that is nearly right is answered, or refused with the name of a field', async () => {
    const { post, lines } = testApp(tokenizer, 'x');
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(generating, mutated, async (to, body) => {
        const response = await post(to, body);
        statuses.add(response.status);
        if (response.status === 200) return void (await response.text());
        expect([400, 404]).toContain(response.status);
        expect(errorResponse.parse(await response.json()).error.type).toBe('invalid_request_error');
      }),
      { numRuns: runs },
    );
    expect([...statuses].toSorted()).toEqual([200, 400, 404]);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
