/** The functions that an answer may call: as OpenAI's clients name them, as the model writes them. */
import type { TokenizerInfo } from '@longpo/tokens';
import * as z from 'zod';
import type { Grammar } from '../engine/sampling/grammar.ts';
import { type ToolFormat, toolFormat, toolGrammar } from '../engine/sampling/tool-calls.ts';
import { invalidRequest } from './errors.ts';
import { jsonSchema } from './json-schema-field.ts';

const name = z
  .string()
  .regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores');

const tool = z.object({
  type: z.literal('function'),
  function: z.object({
    name,
    description: z.string().nullish(),
    parameters: jsonSchema.nullish(),
    strict: z.boolean().nullish().describe('Arguments follow their schema with or without it.'),
  }),
});

export const toolFields = {
  tools: z.array(tool).nullish(),
  tool_choice: z
    .union(
      [
        z.enum(['none', 'auto', 'required']),
        z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
      ],
      { error: 'must be none, auto, required, or {"type": "function", "function": {"name": ...}}' },
    )
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
};

type ToolFields = z.infer<z.ZodObject<typeof toolFields>>;

/** What a chat is given to call. */
export interface ToolUse {
  readonly format: ToolFormat;
  /** As the chat template shows them to the model. */
  readonly tools: readonly unknown[];
  readonly grammar: Grammar | null;
}

/** null: the answer is text. */
export function toolUseOf(request: ToolFields, { chatTemplate }: TokenizerInfo): ToolUse | null {
  const { tools: given, tool_choice: choice, parallel_tool_calls: parallel } = request;
  const tools = given ?? [];
  if (tools.length === 0) {
    if (choice == null || choice === 'none' || choice === 'auto') return null;
    throw invalidRequest('tool_choice: needs tools', 'tool_choice');
  }
  if (choice === 'none') return null;
  const format = toolFormat(chatTemplate);
  if (format === null)
    throw invalidRequest(
      "tools: the model's chat template does not say how it calls functions, or in a way that is not known here",
      'tools',
      'tools_not_supported',
    );
  try {
    return { format, tools, grammar: toolGrammar(format, tools, choice ?? 'auto', parallel ?? true) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw invalidRequest(error.message, 'tool_choice');
  }
}
