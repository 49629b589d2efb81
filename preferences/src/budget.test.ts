import { describe, expect, it } from 'vitest';
import { planBudget } from './budget.ts';
import { Corpus } from './fixture/index.ts';

function budget(overrides: object) {
  using corpus = new Corpus();
  return planBudget(corpus.config(overrides));
}

describe('the budget of a context', () => {
  it('leaves room for every question and answer of a row', () => {
    expect(budget({})).toEqual({ document: 100, minDocument: 40 });
    // The paper's sizes: 131,072 tokens, 4 turns of 1,024.
    const paper = {
      contextLength: 131_072,
      minDocumentTokens: 0,
      chunkTokens: { min: 16_384, max: 30_000 },
      answer: { maxTokens: 1024 },
    };
    expect(budget(paper)).toEqual({ document: 126_464, minDocument: 65_536 });
  });

  it('may be as small as the smallest chunk, and not smaller', () => {
    const tight = { chunksPerDocument: 1, minDocumentTokens: 20, question: { maxTokens: 1 } };
    expect(budget({ ...tight, contextLength: 204 })).toEqual({ document: 20, minDocument: 20 });
    expect(() => budget({ ...tight, contextLength: 203 })).toThrow(
      expect.objectContaining({
        code: 'CONTEXT_TOO_SMALL',
        exitCode: 2,
        message:
          'contextLength 203 leaves 19 tokens for the document beside 1 turns with 8 answer tokens each, but a chunk ' +
          'has at least 20: lower generate.chunksPerDocument or generate.answer.maxTokens, or raise the context length',
      }),
    );
  });

  it('must hold the shortest document that is kept', () => {
    expect(() => budget({ minDocumentTokens: 101 })).toThrow(
      /leaves 100 tokens .* generate\.minDocumentTokens 101 asks for 101: lower/,
    );
    expect(() => budget({ minDocumentTokens: 0 })).toThrow(
      /generate\.minDocumentTokens 0 \(0 means half of the context\) asks for 322/,
    );
  });

  it('must hold a chunk and the questions about it', () => {
    expect(() => budget({ question: { maxTokens: 500 } })).toThrow(
      expect.objectContaining({
        code: 'CONTEXT_TOO_SMALL',
        message:
          'contextLength 644 does not hold a chunk of 30 tokens and 500 tokens of questions: lower ' +
          'generate.chunkTokens.max or generate.question.maxTokens',
      }),
    );
  });
});
