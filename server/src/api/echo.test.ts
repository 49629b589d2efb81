/** echo with logprobs: what lm-eval and its like sum up (conformance list a to f of the evaluation harness). */
import type { Tokenizer } from '@longpo/tokens';
import { beforeAll, describe, expect, it } from 'vitest';
import { byteTokenizer, eventsOf, testApp } from './fixture.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

interface Choice {
  index: number;
  text: string;
  finish_reason: string | null;
  logprobs: {
    tokens: string[];
    token_logprobs: (number | null)[];
    top_logprobs: (Record<string, number> | null)[];
    text_offset: number[];
  };
}

const choicesOf = async (response: Response) => ((await response.json()) as { choices: Choice[] }).choices;
const ids = (text: string) => tokenizer.encode(text);

describe('an echo', () => {
  it('is the prompt and then the answer, each token with its log-probability, the first without', async () => {
    const { complete, engine } = testApp(tokenizer, 'xyz');
    const response = await complete({
      prompt: 'bcd',
      echo: true,
      logprobs: 1,
      max_tokens: 1,
      temperature: 0,
    });
    expect(await choicesOf(response)).toEqual([
      {
        index: 0,
        text: 'bcdx',
        finish_reason: 'length',
        logprobs: {
          tokens: ['b', 'c', 'd', 'x'],
          token_logprobs: [null, -1, -2, -1],
          top_logprobs: [null, { b: -0.25, c: -1 }, { c: -0.25, d: -2 }, { w: -0.5, x: -1 }],
          text_offset: [0, 1, 2, 3],
        },
      },
    ]);
    expect(engine.requests).toMatchObject([{ maxTokens: 1, topLogprobs: 1, promptLogprobs: 1 }]);
  });

  it('is the same for ids as for their text, and keeps a batch of both lengths in order', async () => {
    const { complete } = testApp(tokenizer, 'x');
    const fields = { echo: true, logprobs: 1, max_tokens: 1 };
    const ofIds = await choicesOf(await complete({ ...fields, prompt: [ids('bcd'), ids('e')] }));
    const ofText = await choicesOf(await complete({ ...fields, prompt: ['bcd', 'e'] }));
    expect(ofIds).toEqual(ofText);
    expect(ofIds.map(({ index, text, logprobs }) => [index, text, logprobs.token_logprobs.length])).toEqual([
      [0, 'bcdx', 4],
      [1, 'ex', 2],
    ]);
  });

  it('has no answer when none is asked for', async () => {
    const { complete } = testApp(tokenizer, 'x');
    const [choice] = await choicesOf(
      await complete({ prompt: 'bc', echo: true, logprobs: 0, max_tokens: 0 }),
    );
    expect(choice).toMatchObject({
      text: 'bc',
      finish_reason: 'length',
      logprobs: { token_logprobs: [null, -1], top_logprobs: [null, { c: -1 }] },
    });
  });

  it('without logprobs is text only, and asks the engine for none', async () => {
    const { complete, engine } = testApp(tokenizer, 'x');
    const [choice] = await choicesOf(await complete({ prompt: ids('<|im_start|>b'), echo: true }));
    expect(choice).toMatchObject({ text: '<|im_start|>bx', logprobs: null });
    expect(engine.requests).toMatchObject([{ promptLogprobs: null, topLogprobs: null }]);
  });

  it('is the first event of a stream, and the offsets go on from it', async () => {
    const { complete } = testApp(tokenizer, 'xy');
    const events = await eventsOf(
      await complete({ prompt: 'bc', echo: true, logprobs: 0, stream: true, max_tokens: 2 }),
    );
    const choices = (events.slice(0, -1) as { choices: Choice[] }[]).flatMap(({ choices }) => choices);
    expect(choices.map(({ text, logprobs }) => [text, logprobs?.text_offset])).toEqual([
      ['bc', [0, 1]],
      ['x', [2]],
      ['y', [3]],
      ['', undefined],
    ]);
  });

  it('keeps the log-probabilities of tokens whose text is the same apart', async () => {
    const { complete } = testApp(tokenizer, 'x');
    const [first, second] = [...Buffer.from('é')].map((byte) => byte + 3);
    const [choice] = await choicesOf(
      await complete({ prompt: [98, second ?? 0, first ?? 0], echo: true, logprobs: 2, max_tokens: 0 }),
    );
    expect(choice?.logprobs.top_logprobs.map((top) => top && Object.values(top))).toEqual([
      null,
      [-0.25, -1],
      [-0.25, -2],
    ]);
  });
});

describe('the offsets of tokens', () => {
  it('are where their characters begin, also of tokens that are parts of one', async () => {
    const { complete } = testApp(tokenizer, 'é!');
    const request = { prompt: 'aéb<|im_end|>', echo: true, logprobs: 0, max_tokens: 3 };
    const [choice] = await choicesOf(await complete(request));
    expect(choice?.text).toBe('aéb<|im_end|>é!');
    expect(choice?.logprobs.text_offset).toEqual([0, 1, 1, 2, 3, 13, 13, 14]);
  });

  it('are those of the text that is shown, where special tokens are none', async () => {
    const { complete } = testApp(tokenizer, 'a<|im_start|>b');
    const [choice] = await choicesOf(await complete({ prompt: 'x', logprobs: 0, max_tokens: 3 }));
    expect([choice?.text, choice?.logprobs.text_offset]).toEqual(['ab', [0, 1, 1]]);
  });

  it('and the text go on where the prompt ends, in the middle of a character too', async () => {
    const { complete, engine } = testApp(tokenizer);
    const [first = 0, ...rest] = ids('é!');
    engine.script = rest;
    const [choice] = await choicesOf(
      await complete({ prompt: [...ids('caf'), first], logprobs: 0, max_tokens: 2 }),
    );
    expect([choice?.text, choice?.logprobs.text_offset]).toEqual(['é!', [0, 1]]);
  });
});

describe('several answers', () => {
  it('to each prompt come in the order of the prompts, with a seed of their own, and count a prompt once', async () => {
    const { complete, engine } = testApp(tokenizer, 'x');
    const response = await complete({ prompt: ['a', 'bc'], n: 2, seed: 7 });
    const { choices, usage } = (await response.json()) as { choices: Choice[]; usage: object };
    expect(choices.map(({ index, text }) => [index, text])).toEqual([
      [0, 'x'],
      [1, 'x'],
      [2, 'x'],
      [3, 'x'],
    ]);
    expect(engine.requests.map(({ promptIds, seed }) => [promptIds.length, seed])).toEqual([
      [1, 7],
      [1, 8],
      [2, 7],
      [2, 8],
    ]);
    expect(usage).toEqual({
      prompt_tokens: 3,
      completion_tokens: 4,
      total_tokens: 7,
      prompt_tokens_details: { cached_tokens: 0 },
    });
  });

  it('of a chat are streamed under their index', async () => {
    const { chat } = testApp(tokenizer, 'xy');
    const texts = ['', ''];
    for (const event of (await eventsOf(await chat({ n: 2, stream: true }))).slice(0, -1)) {
      const { choices } = event as { choices: { index: number; delta: { content?: string } }[] };
      for (const { index, delta } of choices) texts[index] += delta.content ?? '';
    }
    expect(texts).toEqual(['xy', 'xy']);
  });
});
