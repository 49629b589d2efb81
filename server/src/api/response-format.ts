/** What the text of an answer must be: OpenAI's response_format, and vLLM's structured_outputs. */
import * as z from 'zod';
import type { Grammar } from '../engine/sampling/grammar.ts';
import { invalidRequest } from './errors.ts';
import { jsonSchema } from './json-schema-field.ts';

export const responseFormat = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      json_schema: z.object({
        name: z.string().nullish(),
        description: z.string().nullish(),
        schema: jsonSchema,
        strict: z.boolean().nullish(),
      }),
    }),
  ],
  { error: 'must have the type text, json_object or json_schema' },
);

/** Strict, as an answer that is not held to what was asked for looks like one that is. */
export const structuredOutputs = z
  .strictObject({
    json: jsonSchema.nullish(),
    json_object: z.boolean().nullish(),
    regex: z.string().min(1).nullish(),
    choice: z.array(z.string().min(1)).min(1).nullish(),
  })
  .refine(
    (outputs) => Object.values(outputs).filter((value) => value != null && value !== false).length === 1,
    {
      error: 'must have one of json, json_object, regex and choice',
    },
  );

interface Formats {
  readonly response_format?: z.infer<typeof responseFormat> | null | undefined;
  readonly structured_outputs?: z.infer<typeof structuredOutputs> | null | undefined;
}

export function grammarOf({ response_format: format, structured_outputs: outputs }: Formats): Grammar | null {
  const grammar = format ? grammarOfFormat(format) : null;
  if (!outputs) return grammar;
  if (grammar)
    throw invalidRequest('structured_outputs: leave it out, or response_format', 'structured_outputs');
  return grammarOfOutputs(outputs);
}

function grammarOfOutputs({ json, regex, choice }: z.infer<typeof structuredOutputs>): Grammar {
  if (json != null) return { type: 'json_schema', schema: json };
  if (regex != null) return { type: 'regex', pattern: regex };
  if (choice != null) return { type: 'regex', pattern: choice.map(literally).join('|') };
  return { type: 'json_object' };
}

/** A pattern that only this text matches. */
const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

function grammarOfFormat(format: z.infer<typeof responseFormat>): Grammar | null {
  if (format.type === 'json_schema') return { type: 'json_schema', schema: format.json_schema.schema };
  return format.type === 'json_object' ? { type: 'json_object' } : null;
}
