/** longpo chat: a conversation with an OpenAI-compatible endpoint, answers streamed as they come. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import OpenAI from 'openai';
import { UserError } from '../errors.ts';

export interface ChatOptions {
  url: string;
  model?: string;
  /** A text file that stands before the first question. */
  document?: string;
  temperature: number;
}

type Message = OpenAI.Chat.ChatCompletionMessageParam;

async function servedModel(client: OpenAI, url: string): Promise<string> {
  try {
    const { data } = await client.models.list();
    return data[0]?.id ?? '';
  } catch (error) {
    throw new UserError(
      'SERVER_UNREACHABLE',
      `${url}: ${String(error)}: start a server with \`longpo serve DIR\`, or give --url`,
    );
  }
}

export async function chat(options: ChatOptions): Promise<void> {
  const client = new OpenAI({ baseURL: options.url, apiKey: 'none' });
  const model = options.model ?? (await servedModel(client, options.url));
  let document = options.document === undefined ? '' : `${readFileSync(options.document, 'utf8')}\n\n`;
  const messages: Message[] = [];
  const input = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY,
  });
  // Piped questions may all be read while the first is being answered.
  let isOpen = true;
  input.once('close', () => {
    isOpen = false;
  });
  input.setPrompt(process.stdin.isTTY ? '> ' : '');
  input.prompt();
  for await (const line of input) {
    if (line.trim() !== '') {
      messages.push({ role: 'user', content: document + line });
      document = '';
      messages.push({
        role: 'assistant',
        content: await answer(client, model, messages, options.temperature),
      });
    }
    if (isOpen) input.prompt();
  }
}

async function answer(
  client: OpenAI,
  model: string,
  messages: Message[],
  temperature: number,
): Promise<string> {
  const stream = await client.chat.completions.create({ model, messages, temperature, stream: true });
  let text = '';
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta.content ?? '';
    process.stdout.write(delta);
    text += delta;
  }
  process.stdout.write('\n');
  return text;
}
