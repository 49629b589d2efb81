/**
 * Divides the text of an answer into what is for the reader and the calls of functions, while it grows. What does not
 * come to a call in the end was text after all.
 */
import { callMarkers, type ToolFormat } from './tool-calls.ts';

export interface ToolCall {
  readonly name: string;
  /** JSON text of an object, as OpenAI's clients expect it. */
  readonly arguments: string;
}

export interface DividedText {
  readonly content: string;
  readonly calls: readonly ToolCall[];
}

export class ToolCallText {
  readonly #format: ToolFormat;
  readonly #markers: readonly string[];
  #held = '';
  #found = false;

  constructor(format: ToolFormat) {
    this.#format = format;
    this.#markers = callMarkers(format);
  }

  /** Text that is certain not to belong to a call. */
  push(text: string): string {
    this.#held += text;
    if (this.#found) return '';
    const at = earliest(this.#held, this.#markers);
    this.#found = at !== undefined;
    return this.#release(at ?? this.#held.length - partialMarker(this.#held, this.#markers));
  }

  /** The calls, and what is left of the text. */
  end(): DividedText {
    const held = this.#release(this.#held.length);
    if (!this.#found) return { content: held, calls: [] };
    return parseCalls(this.#format, held) ?? { content: held, calls: [] };
  }

  #release(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }
}

/** Of a whole answer. */
export function parseToolCalls(format: ToolFormat, text: string): DividedText {
  const divided = new ToolCallText(format);
  const before = divided.push(text);
  const { content, calls } = divided.end();
  return { content: calls.length > 0 ? (before + content).trim() : before + content, calls };
}

function earliest(text: string, markers: readonly string[]): number | undefined {
  const found = markers.map((marker) => text.indexOf(marker)).filter((at) => at >= 0);
  return found.length > 0 ? Math.min(...found) : undefined;
}

/** Length of the longest end of a text that a marker begins with. */
function partialMarker(text: string, markers: readonly string[]): number {
  const longest = Math.max(...markers.map(({ length }) => length)) - 1;
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (markers.some((marker) => marker.startsWith(end))) return length;
  }
  return 0;
}

function parseCalls(format: ToolFormat, text: string): DividedText | undefined {
  if (format === 'hermes') return hermesCalls(text);
  const list =
    format === 'mistral' ? text.replace('[TOOL_CALLS]', '') : `[${text.replace('<|python_tag|>', '')}]`;
  const values = parseJson(list.trim());
  if (!Array.isArray(values) || values.length === 0) return undefined;
  const calls = values.map(callOf);
  return calls.every((call) => call !== undefined) ? { content: '', calls } : undefined;
}

/** Text between two calls stays text; so does a call that is not whole, or not JSON. */
function hermesCalls(text: string): DividedText {
  const calls: ToolCall[] = [];
  const content = text.replaceAll(/<tool_call>(.*?)<\/tool_call>\s*/gs, (all, json: string) => {
    const call = callOf(parseJson(json.trim()));
    if (call) calls.push(call);
    return call ? '' : all;
  });
  return { content, calls };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function callOf(value: unknown): ToolCall | undefined {
  if (typeof value !== 'object' || value === null || !('name' in value)) return undefined;
  const given = 'arguments' in value ? value.arguments : 'parameters' in value ? value.parameters : undefined;
  // Some models write the arguments as JSON in a string, as the API has them.
  const parsed = typeof given === 'string' ? parseJson(given) : (given ?? {});
  if (typeof value.name !== 'string' || typeof parsed !== 'object' || parsed === null) return undefined;
  return { name: value.name, arguments: JSON.stringify(parsed) };
}
