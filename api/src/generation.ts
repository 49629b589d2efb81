/**
 * How a stage writes its preference data (longpo-method.md section 2). Shared by the LongPOTraining spec and the
 * generate role's config.
 */
import * as z from 'zod';

const decoding = (defaults: { temperature: number; topP: number; maxTokens: number }) =>
  z
    .strictObject({
      temperature: z.number().min(0).max(2).default(defaults.temperature).describe('0 is greedy.'),
      topP: z.number().gt(0).max(1).default(defaults.topP),
      maxTokens: z.int().positive().default(defaults.maxTokens).describe('New tokens at most.'),
    })
    .prefault({});

export const generationSettings = z.strictObject({
  concurrency: z.int().positive().max(1024).default(4).describe('Requests in flight.'),
  chunkTokens: z
    .strictObject({
      min: z.int().positive().default(16_384).describe('Shorter chunks are dropped.'),
      max: z.int().positive().default(30_000).describe('Paragraphs are packed up to this many tokens.'),
    })
    .prefault({})
    .describe('Size of the short context.'),
  minDocumentTokens: z
    .int()
    .nonnegative()
    .default(0)
    .describe(
      'Shorter documents are dropped; 0 means half of the context length, as in the paper (64K of 128K).',
    ),
  maxDocuments: z.int().nonnegative().default(0).describe('Rows at most, chosen by the seed; 0 means all.'),
  chunksPerDocument: z
    .int()
    .positive()
    .max(16)
    .default(4)
    .describe('Turns of one row at most, one chunk each.'),
  questionsPerChunk: z
    .int()
    .positive()
    .max(16)
    .default(4)
    .describe('Questions asked for; one of those the model wrote is taken, at least one is needed.'),
  question: decoding({ temperature: 0.7, topP: 0.9, maxTokens: 1024 }).describe('Decoding of the questions.'),
  answer: decoding({ temperature: 1, topP: 1, maxTokens: 1024 }).describe(
    'Decoding of chosen and rejected answers. The paper is greedy (temperature 0).',
  ),
  filter: z
    .strictObject({
      refusals: z.boolean().default(true).describe('Drop answers with a refusal phrase.'),
      maxRepetitionChosen: z
        .number()
        .min(0)
        .max(1)
        .default(0.9)
        .describe('Share of words that occur more than once, above which a chosen answer is dropped.'),
      maxRepetitionRejected: z
        .number()
        .min(0)
        .max(1)
        .default(0.95)
        .describe('Likewise for rejected answers.'),
      identical: z.boolean().default(true).describe('Drop pairs whose answers are equal.'),
    })
    .prefault({})
    .describe('What is dropped; each drop is counted by its reason.'),
});

export type GenerationSettings = z.infer<typeof generationSettings>;
