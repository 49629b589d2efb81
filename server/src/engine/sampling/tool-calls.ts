/**
 * How a model writes the functions it calls: read from its chat template, which shows it the same. The grammar holds
 * an answer to that format; `tool-call-text.ts` reads it back.
 *
 * hermes   `<tool_call>\n{"name": "f", "arguments": {...}}\n</tool_call>`, one after the other (Qwen, Hermes)
 * llama3   `{"name": "f", "parameters": {...}}`, one
 * mistral  `[TOOL_CALLS][{"name": "f", "arguments": {...}}, ...]`
 */
import type { Grammar, ToolCallGrammar } from './grammar.ts';

export type ToolFormat = 'hermes' | 'llama3' | 'mistral';

/** null: the model was not trained to call functions, or in a format that is not known here. */
export function toolFormat(chatTemplate: string | null): ToolFormat | null {
  if (chatTemplate === null) return null;
  // Qwen3-Coder's XML and Mistral's later format share a marker with the ones that are known.
  if (chatTemplate.includes('<function=') || chatTemplate.includes('[ARGS]')) return null;
  if (chatTemplate.includes('<tool_call>')) return 'hermes';
  if (chatTemplate.includes('[TOOL_CALLS]')) return 'mistral';
  if (chatTemplate.includes('"parameters": ') && chatTemplate.includes('ipython')) return 'llama3';
  return null;
}

/** Structurally OpenAI's `tools[]`. */
export interface ToolDefinition {
  readonly function: {
    readonly name: string;
    /** JSON Schema of an object; absent: any object. */
    readonly parameters?: unknown;
  };
}

/** OpenAI's tool_choice. */
export type ToolChoice = 'none' | 'auto' | 'required' | { readonly function: { readonly name: string } };

/** null: the answer is free text. Throws a RangeError for a choice that no tool has as its name. */
export function toolGrammar(
  format: ToolFormat,
  tools: readonly ToolDefinition[],
  choice: ToolChoice,
  parallel = true,
): Grammar | null {
  if (choice === 'none' || tools.length === 0) return null;
  const chosen =
    typeof choice === 'string' ? tools : tools.filter((tool) => tool.function.name === choice.function.name);
  if (chosen.length === 0) throw new RangeError('tool_choice names a function that is not in tools');
  return {
    type: 'tool_calls',
    ...callFormat(format),
    tools: chosen.map(({ function: { name, parameters } }) => ({ name, parameters: parameters ?? {} })),
    required: choice !== 'auto',
    parallel: parallel && format !== 'llama3' && typeof choice === 'string',
  };
}

type CallFormat = Pick<ToolCallGrammar, 'open' | 'separator' | 'close' | 'begin' | 'argumentsKey' | 'end'>;

function callFormat(format: ToolFormat): CallFormat {
  switch (format) {
    case 'hermes':
      return {
        open: '',
        separator: '\n',
        close: '',
        begin: '<tool_call>\n',
        argumentsKey: 'arguments',
        end: '\n</tool_call>',
      };
    case 'llama3':
      return { open: '', separator: '', close: '', begin: '', argumentsKey: 'parameters', end: '' };
    case 'mistral':
      return { open: '[', separator: ', ', close: ']', begin: '', argumentsKey: 'arguments', end: '' };
  }
}

/** Where in a text a call may begin: no content after any of these is the user's to read. */
export function callMarkers(format: ToolFormat): readonly string[] {
  switch (format) {
    case 'hermes':
      return ['<tool_call>'];
    case 'llama3':
      return ['<|python_tag|>', '{"name":'];
    case 'mistral':
      return ['[TOOL_CALLS]', '[{"name":'];
  }
}
