/** Floating-point operations of one row, forward, recompute and backward. Pure (training.md section 3). */
import type { ModelFacts } from '@longpo/api';

export interface RowTokens {
  prompt: number;
  chosen: number;
  rejected: number;
}

function matmul(model: ModelFacts, tokens: number): number {
  const {
    layers,
    hiddenSize: h,
    intermediateSize: f,
    attentionHeads: a,
    keyValueHeads: k,
    headDim: d,
  } = model;
  const layer = 2 * h * (a + k) * d + 3 * h * f;
  return 2 * (layers * layer + model.vocabularySize * h) * tokens;
}

/** q queries on k keys, causal from the bottom right. */
function attention({ layers, attentionHeads, headDim }: ModelFacts, queries: number, keys: number): number {
  return 4 * layers * attentionHeads * headDim * (queries * keys - (queries * (queries - 1)) / 2);
}

const step = (products: number, scores: number): number => 4 * products + 4.5 * scores;

/** The packed row: the prompt once. */
export function packedRowFlops(model: ModelFacts, { prompt, chosen, rejected }: RowTokens): number {
  const trunk = prompt + chosen;
  const scores = attention(model, trunk, trunk) + attention(model, rejected, prompt + rejected);
  return step(matmul(model, trunk + rejected), scores);
}

/** Two separate rows, as the released trainer runs them. */
export function separateRowsFlops(model: ModelFacts, { prompt, chosen, rejected }: RowTokens): number {
  return [prompt + chosen, prompt + rejected].reduce(
    (sum, tokens) => sum + step(matmul(model, tokens), attention(model, tokens, tokens)),
    0,
  );
}
