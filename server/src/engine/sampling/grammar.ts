/** What the text of an answer may be: plain data, as a request carries it. See `constraint.ts` for what obeys it. */

export type Grammar =
  /** Any JSON object. */
  | { readonly type: 'json_object' }
  /** JSON that validates against a JSON Schema (draft 2020-12; `constraint.ts` says which keywords). */
  | { readonly type: 'json_schema'; readonly schema: unknown }
  /** Text that a regular expression matches from its first to its last character. */
  | { readonly type: 'regex'; readonly pattern: string }
  | ToolCallGrammar;

/**
 * Calls of functions: `open`, calls with `separator` between them, `close`. A call is `begin`,
 * `{"name": "...", "<argumentsKey>": {...}}`, `end`. See `tool-calls.ts`, which makes it.
 */
export interface ToolCallGrammar {
  readonly type: 'tool_calls';
  readonly tools: readonly {
    readonly name: string;
    /** JSON Schema of an object. */
    readonly parameters: unknown;
  }[];
  readonly open: string;
  readonly separator: string;
  readonly close: string;
  readonly begin: string;
  readonly argumentsKey: string;
  readonly end: string;
  /** Nothing but calls, at least one; else free text, in which a call that begins must be right to its end. */
  readonly required: boolean;
  /** More than one call. */
  readonly parallel: boolean;
}
