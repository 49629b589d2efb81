/** What every part of the decoder's graph is built with. */
import type { Architecture } from '../architecture.ts';
import type { elementType, OnnxGraph } from './onnx.ts';
import type { Projections } from './projections.ts';

export type KvElementType = typeof elementType.FLOAT | typeof elementType.INT8;

/** Names of where a run's tokens stand: of all, [batch, tokens]; of each sequence's first, [batch]. */
export interface NewPositions {
  readonly all: string;
  readonly first: string;
}

export interface Context {
  readonly graph: OnnxGraph;
  readonly architecture: Architecture;
  readonly projections: Projections;
  /** Of keys and values. */
  readonly kvType: KvElementType;
  /** Set where the rows of a run may be one sequence's tokens: see `stage` in attention.ts. */
  readonly newPositions: NewPositions | null;
}

export function norm({ graph, architecture }: Context, x: string, scale: string, output: string): string {
  return graph.node('SimplifiedLayerNormalization', [x, scale], [output], {
    attributes: { epsilon: { float: architecture.normEpsilon }, axis: { int: -1 }, stash_type: { int: 1 } },
  });
}
