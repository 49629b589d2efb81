/** Unmodified JavaScript clients against the real model: OpenAI's own, and Vercel's AI SDK. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, Output, streamText } from 'ai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServedModel, servedName, serveModel } from './served-model.ts';

let server: ServedModel;
beforeAll(async () => {
  server = await serveModel();
});
afterAll(() => server?.stop());

const question = 'What is the capital of France?';
const greedy = { model: servedName, temperature: 0, max_tokens: 12 };
const messages = [{ role: 'user' as const, content: question }];

describe("OpenAI's client", () => {
  const open = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });

  test('chats, whole and by its streaming helper, with log-probabilities', async () => {
    const client = open();
    const whole = await client.chat.completions.create({
      ...greedy,
      messages,
      logprobs: true,
      top_logprobs: 2,
    });
    const [choice] = whole.choices;
    expect(choice?.message.content).toContain('Paris');
    for (const { logprob, top_logprobs } of choice?.logprobs?.content ?? [])
      expect(logprob).toBe(top_logprobs[0]?.logprob);
    const stream = client.chat.completions.stream({
      ...greedy,
      messages,
      stream_options: { include_usage: true },
    });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe(choice?.message.content);
    expect(final.usage?.completion_tokens).toBe(whole.usage?.completion_tokens);
  });

  test('completes several prompts, each as it is completed alone', async () => {
    const client = open();
    const prompts = ['The sea is', 'Once upon a time there was'];
    const alone = await Promise.all(
      prompts.map((prompt) => client.completions.create({ ...greedy, prompt })),
    );
    const together = await client.completions.create({ ...greedy, prompt: prompts });
    expect(together.choices.map(({ text }) => text)).toEqual(alone.map(({ choices }) => choices[0]?.text));
  });

  test('gets several answers that differ, and the same ones for the same seed', async () => {
    const client = open();
    const ask = async () => {
      const request = { ...greedy, messages, temperature: 1, seed: 5, n: 3 };
      const { choices } = await client.chat.completions.create(request);
      return choices.map(({ message }) => message.content);
    };
    const answers = await ask();
    expect(new Set(answers).size).toBeGreaterThan(1);
    expect(await ask()).toEqual(answers);
  });
});

describe("Vercel's AI SDK", () => {
  const model = () => createOpenAICompatible({ name: 'longpo', baseURL: `${server.url}/v1` })(servedName);
  const settings = { prompt: question, temperature: 0, maxOutputTokens: 12 };

  test('generates a text with its usage', async () => {
    const { text, usage, finishReason } = await generateText({ ...settings, model: model() });
    expect(text).toContain('Paris');
    expect(['stop', 'length']).toContain(finishReason);
    expect(usage.outputTokens).toBeGreaterThan(0);
  });

  test('streams the same text', async () => {
    const { text } = await generateText({ ...settings, model: model() });
    let streamed = '';
    for await (const piece of streamText({ ...settings, model: model() }).textStream) streamed += piece;
    expect(streamed).toBe(text);
  });

  test('gets an object of a schema', async () => {
    const provider = createOpenAICompatible({
      name: 'longpo',
      baseURL: `${server.url}/v1`,
      supportsStructuredOutputs: true,
    });
    const schema = jsonSchema<{ city: string; inhabitants: number }>({
      type: 'object',
      properties: {
        city: { type: 'string', maxLength: 20 },
        inhabitants: { type: 'integer', minimum: 1, maximum: 99_999_999 },
      },
      required: ['city', 'inhabitants'],
      additionalProperties: false,
    });
    const { output } = await generateText({
      model: provider(servedName),
      prompt: 'Name a large city.',
      temperature: 0,
      maxOutputTokens: 60,
      output: Output.object({ schema }),
    });
    expect(output).toEqual({ city: expect.any(String), inhabitants: expect.any(Number) });
  });
});
