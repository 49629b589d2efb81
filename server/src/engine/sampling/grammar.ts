/** What the text of an answer may be: plain data, as a request carries it. See `constraint.ts` for what obeys it. */

export type Grammar =
  /** Any JSON object. */
  | { readonly type: 'json_object' }
  /** JSON that validates against a JSON Schema (draft 2020-12; `constraint.ts` says which keywords). */
  | { readonly type: 'json_schema'; readonly schema: unknown }
  /** Text that a regular expression matches from its first to its last character. */
  | { readonly type: 'regex'; readonly pattern: string }
  /** XGrammar's notation (GBNF with `root ::=` as its start). */
  | { readonly type: 'ebnf'; readonly source: string }
  /** Tool calls in the model's own format: see `tool-calls.ts`, which makes it. */
  | { readonly type: 'structural_tag'; readonly format: unknown };
