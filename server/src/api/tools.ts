/** The functions that an answer may call, as OpenAI's clients name them. */
import * as z from 'zod';

const tool = z.object({
  type: z.literal('function'),
  function: z.object({
    name: z.string().regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores'),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish().describe('A JSON Schema of an object.'),
    strict: z.boolean().nullish(),
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

export type Tool = z.infer<typeof tool>;
