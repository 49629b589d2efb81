/** The chat template of a model folder: chat_template.jinja, or the field of tokenizer_config.json. */
import { Template } from '@huggingface/jinja';
import { type Json, readOptional } from './model-files.ts';
import { TokenizerError } from './tokenizer-error.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  readonly name?: string;
  /** Of a tool's answer. */
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly ToolCall[];
}

export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  /** Arguments are a value, not its JSON: templates write it in the model's own way. */
  readonly function: { readonly name: string; readonly arguments: unknown };
}

export interface ChatOptions {
  /** Header of the assistant's answer at the end. */
  readonly addGenerationPrompt: boolean;
  /** Functions that the answer may call, in OpenAI's shape; null or absent: none. */
  readonly tools?: readonly unknown[] | null;
}

export type RenderChat = (messages: readonly ChatMessage[], options: ChatOptions) => string;

/** What a folder says about chats. */
export interface ChatTemplate {
  /** null: a base model. */
  readonly source: string | null;
  readonly render: RenderChat;
}

/** The special tokens that transformers hands to a template. */
export const specialTokens = ['bos_token', 'eos_token', 'pad_token', 'unk_token', 'sep_token', 'cls_token'];

/** A token in tokenizer_config.json is a string, or an object with the string as content. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null && 'content' in value
    ? String(value.content)
    : undefined;
}

/** Older folders name several templates in a list; "default" is the one for chats. */
function templateOf(field: unknown): string | undefined {
  if (typeof field === 'string') return field;
  if (!Array.isArray(field)) return undefined;
  const named = field as { name?: unknown; template?: unknown }[];
  const { template } = named.find(({ name }) => name === 'default') ?? {};
  return typeof template === 'string' ? template : undefined;
}

/** A base model has no template; that is an error only when somebody wants to chat with it. */
export async function openChatTemplate(folder: string, config: Json): Promise<ChatTemplate> {
  const source =
    (await readOptional(folder, 'chat_template.jinja')) ?? templateOf(config.chat_template) ?? undefined;
  // Only tokens that the model has: templates ask whether one is defined.
  const tokens = specialTokens.flatMap((name) => {
    const text = tokenText(config[name]);
    return text === undefined ? [] : [[name, text]];
  });
  // transformers always passes these two; templates compare them with none.
  const variables = { ...Object.fromEntries(tokens), documents: null };
  let template: Template | undefined;
  const render: RenderChat = (messages, { addGenerationPrompt, tools = null }) => {
    if (source === undefined)
      throw new TokenizerError(
        'CHAT_TEMPLATE_MISSING',
        `${folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): ` +
          'use an instruct model, or complete plain text',
      );
    try {
      template ??= new Template(source);
      return template.render({ ...variables, messages, tools, add_generation_prompt: addGenerationPrompt });
    } catch (error) {
      // Templates refuse role orders they do not know with raise_exception: the reason is the caller's to read.
      const reason = error instanceof Error ? error.message : String(error);
      const message = `the model's chat template refuses these messages: ${reason}`;
      throw new TokenizerError('CHAT_TEMPLATE_FAILED', message, { cause: error });
    }
  };
  return { source: source ?? null, render };
}
