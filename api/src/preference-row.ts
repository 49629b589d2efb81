/**
 * One line of a preference file: a document and its dialogue. Text, not token ids, so that one file serves any
 * engine and tokenizer and can be read by a person. `preferences` writes it, the trainer reads it.
 */
import * as z from 'zod';

export const preferenceTurn = z.strictObject({
  chunk: z
    .string()
    .min(1)
    .describe('The short context: the part of the document the question was made from.'),
  question: z.string().min(1).describe('The instruction, as the user turn carries it.'),
  chosen: z.string().min(1).describe("The model's answer to chunk + question."),
  rejected: z.string().min(1).describe("The model's answer to document + question."),
});

export const preferenceRow = z
  .strictObject({
    id: z.string().min(1).describe('Stable: derived from the document and its position.'),
    source: z.string().describe('File the document came from.'),
    document: z.string().min(1).describe('The long context.'),
    turns: z.array(preferenceTurn).min(1).describe('Turn k follows the answers of the turns before it.'),
  })
  .describe(
    'One preference example of LongPO (paper section 3): the answer on the chunk over the answer on the document.',
  );

export type PreferenceTurn = z.infer<typeof preferenceTurn>;
export type PreferenceRow = z.infer<typeof preferenceRow>;
