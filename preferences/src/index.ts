/** PREFERENCES: the stage that lets a model write its own short-to-long preference data, over any OpenAI endpoint. */

export { openCompletions } from './completions.ts';
export { readDocuments } from './documents.ts';
export { GenerateError } from './errors.ts';
export { type GenerateOptions, generate } from './generate.ts';
