/** Floating-point operations of one row. Pure (training.md section 3: a multiply and an add are two). */
import type { ModelFacts } from '@longpo/api';

export interface RowTokens {
  prompt: number;
  chosen: number;
  rejected: number;
}

interface ForwardFlops {
  products: number;
  scores: number;
}

/** Causal attention from the bottom right: the last query reads the last key. */
interface Block {
  queries: number;
  keys: number;
}

function forward(model: ModelFacts, tokens: number, blocks: Block[]): ForwardFlops {
  const { layers, hiddenSize: h, intermediateSize: f, attentionHeads: a, keyValueHeads: k, headDim } = model;
  const layer = 2 * h * (a + k) * headDim + 3 * h * f;
  const pairs = blocks.reduce((sum, { queries: q, keys }) => sum + (q * keys - (q * (q - 1)) / 2), 0);
  return {
    products: 2 * (layers * layer + model.vocabularySize * h) * tokens,
    scores: 4 * layers * a * headDim * pairs,
  };
}

const packed = (model: ModelFacts, { prompt, chosen, rejected }: RowTokens): ForwardFlops =>
  forward(model, prompt + chosen + rejected, [
    { queries: prompt + chosen, keys: prompt + chosen },
    { queries: rejected, keys: prompt + rejected },
  ]);

const separate = (model: ModelFacts, { prompt, chosen, rejected }: RowTokens): ForwardFlops[] =>
  [prompt + chosen, prompt + rejected].map((tokens) =>
    forward(model, tokens, [{ queries: tokens, keys: tokens }]),
  );

/** Forward, recompute and backward; attention's backward costs 2.5 forwards. */
const step = ({ products, scores }: ForwardFlops): number => 4 * products + 4.5 * scores;

/** A training step on the packed row: the prompt once. */
export const packedRowFlops = (model: ModelFacts, row: RowTokens): number => step(packed(model, row));

/** The same on two separate rows, as the released trainer runs them. */
export const separateRowsFlops = (model: ModelFacts, row: RowTokens): number =>
  separate(model, row).reduce((sum, flops) => sum + step(flops), 0);

/** Forward only, packed: reference log-probs of both answers on a short chunk. */
export function referenceFlops(model: ModelFacts, row: RowTokens): number {
  const { products, scores } = packed(model, row);
  return products + scores;
}
