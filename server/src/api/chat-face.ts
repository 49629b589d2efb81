/** A chat's answers as OpenAI shows them, whole or in chunks; calls of functions are taken out of the text. */
import { randomUUID } from 'node:crypto';
import type { GeneratedToken } from '../engine/engine.ts';
import { parseToolCalls, type ToolCall, ToolCallText } from '../engine/sampling/tool-call-text.ts';
import type { Face } from './answer.ts';
import { type TextGeneration, usageOf } from './generation.ts';
import { merged } from './merge.ts';
import type { ToolUse } from './tools.ts';

export interface ChatFaceOptions {
  /** What every object of the answer begins with. */
  readonly head: object;
  readonly includeUsage: boolean;
  readonly toolUse: ToolUse | null;
  /** null where none were asked for. */
  logprobsOf(tokens: readonly GeneratedToken[]): object | null;
}

const shownCall = ({ name, arguments: text }: ToolCall) => ({
  id: `call_${randomUUID().replaceAll('-', '')}`,
  type: 'function',
  function: { name, arguments: text },
});

/** An answer that was cut while it called is not a call. */
const finishOf = ({ finish }: TextGeneration, calls: readonly unknown[]): string =>
  calls.length > 0 && finish === 'stop' ? 'tool_calls' : finish;

async function wholeChoice(
  generation: TextGeneration,
  index: number,
  { toolUse, logprobsOf }: ChatFaceOptions,
): Promise<object> {
  let text = '';
  const tokens: GeneratedToken[] = [];
  for await (const piece of generation.pieces()) {
    text += piece.text;
    if (piece.token) tokens.push(piece.token);
  }
  const { content, calls } = toolUse ? parseToolCalls(toolUse.format, text) : { content: text, calls: [] };
  const message = {
    role: 'assistant',
    content: content === '' && calls.length > 0 ? null : content,
    refusal: null,
    ...(calls.length > 0 ? { tool_calls: calls.map(shownCall) } : {}),
  };
  return { index, message, logprobs: logprobsOf(tokens), finish_reason: finishOf(generation, calls) };
}

/** Text comes as it is certain, calls when they are whole. */
async function* chunksOf(
  generation: TextGeneration,
  index: number,
  { head, includeUsage, toolUse, logprobsOf }: ChatFaceOptions,
): AsyncGenerator<object> {
  const chunk = (delta: object, finish_reason: string | null, logprobs: object | null = null) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index, delta, logprobs, finish_reason }],
    ...(includeUsage ? { usage: null } : {}),
  });
  const divided = toolUse ? new ToolCallText(toolUse.format) : undefined;
  yield chunk({ role: 'assistant', content: '' }, null);
  for await (const { text, token } of generation.pieces()) {
    const content = divided ? divided.push(text) : text;
    const logprobs = token ? logprobsOf([token]) : null;
    if (content !== '' || logprobs) yield chunk({ content }, null, logprobs);
  }
  const { content, calls } = divided ? divided.end() : { content: '', calls: [] };
  if (content.trim() !== '' || (content !== '' && calls.length === 0)) yield chunk({ content }, null);
  for (const [position, call] of calls.entries())
    yield chunk({ tool_calls: [{ index: position, ...shownCall(call) }] }, null);
  yield chunk({}, finishOf(generation, calls));
}

export function chatFace(options: ChatFaceOptions): Face {
  const { head, includeUsage } = options;
  return {
    async whole(generations) {
      const choices = await Promise.all(
        generations.map((generation, index) => wholeChoice(generation, index, options)),
      );
      return { ...head, object: 'chat.completion', choices, usage: usageOf(generations) };
    },
    async *chunks(generations) {
      yield* merged(generations.map((generation, index) => chunksOf(generation, index, options)));
      if (includeUsage)
        yield { ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf(generations) };
    },
  };
}
