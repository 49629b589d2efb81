/** What stands behind the port at this moment. */
import type { Tokenizer } from '@longpo/tokens';
import type { Encode } from '../encoding/encoder.ts';
import type { Engine } from '../engine/engine.ts';
import type { Metrics } from '../metrics.ts';
import { stillLoading, stopping } from './errors.ts';

/** A model that answers: its first run has succeeded. */
export interface Served {
  readonly name: string;
  /** Unix seconds. */
  readonly created: number;
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  /** Of texts of any length, without keeping others waiting. */
  readonly encode: Encode;
  readonly metrics: Metrics;
}

export type ModelState =
  | { readonly phase: 'loading'; readonly percent: number }
  | { readonly phase: 'ready'; readonly model: Served }
  | { readonly phase: 'stopping' };

/** The model, or the reason why there is none to ask. */
export function servedOf(state: ModelState): Served {
  if (state.phase === 'loading') throw stillLoading(state.percent);
  if (state.phase === 'stopping') throw stopping();
  return state.model;
}
