/** How many tokens of a context go where. Both branches of a row carry all questions and answers of that row. */
import type { GenerateConfig } from '@longpo/api';
import { GenerateError } from './errors.ts';

/** Of a question with its lead-in; a row whose questions are longer may lose turns. */
export const questionTokens = 96;
/** Role markers of a user and an assistant turn, at most. */
export const turnTokens = 16;
/** What a chat template puts before the first turn, a default system prompt above all. */
export const templateTokens = 64;
/** The wording that asks for questions. */
const questionPromptTokens = 160;

export interface Budget {
  /** Longest document of a row. */
  document: number;
  /** Shortest one that is worth a row. */
  minDocument: number;
}

export function planBudget(config: GenerateConfig): Budget {
  const { contextLength, chunksPerDocument, answer, chunkTokens, question } = config;
  const document =
    contextLength - templateTokens - chunksPerDocument * (questionTokens + answer.maxTokens + turnTokens);
  const minDocument = config.minDocumentTokens || Math.floor(contextLength / 2);
  const left = `contextLength ${contextLength} leaves ${document} tokens for the document beside ${chunksPerDocument} turns with ${answer.maxTokens} answer tokens each`;
  const lower = 'lower generate.chunksPerDocument or generate.answer.maxTokens, or raise the context length';
  const refuse = (message: string) => new GenerateError('CONTEXT_TOO_SMALL', message);
  if (document < chunkTokens.min)
    throw refuse(`${left}, but a chunk has at least ${chunkTokens.min}: ${lower}`);
  if (document < minDocument) {
    const why = config.minDocumentTokens === 0 ? ' (0 means half of the context)' : '';
    throw refuse(
      `${left}, but generate.minDocumentTokens ${config.minDocumentTokens}${why} asks for ${minDocument}: ${lower}, or set it lower`,
    );
  }
  const asking = Math.min(chunkTokens.max, document) + questionPromptTokens + question.maxTokens;
  if (asking > contextLength)
    throw refuse(
      `contextLength ${contextLength} does not hold a chunk of ${Math.min(chunkTokens.max, document)} tokens and ` +
        `${question.maxTokens} tokens of questions: lower generate.chunkTokens.max or generate.question.maxTokens`,
    );
  return { document, minDocument };
}
