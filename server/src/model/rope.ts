/**
 * The rotary embedding of config.json, as transformers reads it: `rope_parameters` today, `rope_scaling` and a
 * top-level `rope_theta` before. What each type computes is in engine/rotary-frequencies.ts.
 */
import * as z from 'zod';
import { ModelError } from './model-error.ts';

export type RopeScaling =
  | { readonly type: 'default' }
  /** Every position divided by the factor. */
  | { readonly type: 'linear'; readonly factor: number }
  /** NTK: theta grows with the length, from `trainedLength` on. */
  | { readonly type: 'dynamic'; readonly factor: number; readonly trainedLength: number }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly attentionFactor: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Whether the ramp's ends are rounded to whole dimensions. */
      readonly truncate: boolean;
      readonly originalLength: number;
    }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalLength: number;
    }
  | {
      readonly type: 'longrope';
      readonly attentionFactor: number;
      /** A divisor for each frequency: up to `originalLength`, and beyond it. */
      readonly shortFactors: readonly number[];
      readonly longFactors: readonly number[];
      readonly originalLength: number;
    };

export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling;
}

/** What decides the rotary embedding, beside the two objects that spell it. */
export interface RopeContext {
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
  /** The top-level fields of config.json. */
  readonly theta: number | undefined;
  readonly originalMaxPositionEmbeddings: number | undefined;
}

const positive = z.number().positive();
const optional = positive.nullish();
const length = z.int().positive();
const divisors = z.array(positive).min(1);
const fields = {
  rope_theta: optional,
  partial_rotary_factor: z.literal(1, { error: 'only whole heads are rotated' }).nullish(),
  original_max_position_embeddings: length.nullish(),
};
const parameters = z.discriminatedUnion(
  'rope_type',
  [
    z.looseObject({ ...fields, rope_type: z.literal('default') }),
    z.looseObject({ ...fields, rope_type: z.literal('linear'), factor: positive }),
    z.looseObject({ ...fields, rope_type: z.literal('dynamic'), factor: positive }),
    z.looseObject({
      ...fields,
      rope_type: z.literal('yarn'),
      factor: optional,
      attention_factor: optional,
      mscale: z.number().nullish(),
      mscale_all_dim: z.number().nullish(),
      beta_fast: z.number().nullish(),
      beta_slow: z.number().nullish(),
      truncate: z.boolean().default(true),
    }),
    z.looseObject({
      ...fields,
      rope_type: z.literal('llama3'),
      factor: positive,
      low_freq_factor: positive,
      high_freq_factor: positive,
    }),
    z.looseObject({
      ...fields,
      rope_type: z.literal('longrope'),
      factor: optional,
      attention_factor: optional,
      short_factor: divisors,
      long_factor: divisors,
    }),
  ],
  { error: 'it must be default, linear, dynamic, yarn, llama3 or longrope' },
);
type Parameters = z.infer<typeof parameters>;

/** Llama's own default, for a config that names no theta at all. */
const defaultTheta = 10_000;

const unsupported = (file: string, message: string): ModelError =>
  new ModelError('MODEL_UNSUPPORTED', `${file}: ${message}`);

/** `spelled` is the one of the two objects that counts, found under `field`. */
export function ropeOf(
  file: string,
  field: string,
  spelled: Readonly<Record<string, unknown>>,
  context: RopeContext,
): Rope {
  const type = spelled.rope_type ?? spelled.type ?? 'default';
  const parsed = parameters.safeParse({ ...spelled, rope_type: type });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = [field, ...(issue?.path ?? [])].join('.');
    const found =
      issue?.path.length === 1
        ? ` is ${JSON.stringify({ ...spelled, rope_type: type }[String(issue.path[0])])}`
        : '';
    throw unsupported(file, `${path}${found}: ${issue?.message} (rope type ${JSON.stringify(type)})`);
  }
  const perLayer = Object.entries(spelled).find(([, value]) => isObject(value));
  if (perLayer)
    throw unsupported(file, `${field}.${perLayer[0]}: a rotary embedding for some of the layers only`);
  const scaling = scalingOf(parsed.data, context);
  if (scaling.type === 'longrope') checkDivisors(file, field, scaling, context.headDim);
  return { theta: parsed.data.rope_theta ?? context.theta ?? defaultTheta, scaling };
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function scalingOf(rope: Parameters, context: RopeContext): RopeScaling {
  const { maxPositionEmbeddings } = context;
  const originalLength =
    context.originalMaxPositionEmbeddings ?? rope.original_max_position_embeddings ?? maxPositionEmbeddings;
  const extension = maxPositionEmbeddings / originalLength;
  switch (rope.rope_type) {
    case 'default':
      return { type: 'default' };
    case 'linear':
      return { type: 'linear', factor: rope.factor };
    case 'dynamic':
      return { type: 'dynamic', factor: rope.factor, trainedLength: maxPositionEmbeddings };
    case 'yarn': {
      const factor = rope.factor ?? extension;
      return {
        type: 'yarn',
        factor,
        attentionFactor:
          rope.attention_factor ?? yarnAttentionFactor(factor, rope.mscale, rope.mscale_all_dim),
        betaFast: rope.beta_fast || 32,
        betaSlow: rope.beta_slow || 1,
        truncate: rope.truncate,
        originalLength,
      };
    }
    case 'llama3':
      return {
        type: 'llama3',
        factor: rope.factor,
        lowFrequencyFactor: rope.low_freq_factor,
        highFrequencyFactor: rope.high_freq_factor,
        originalLength,
      };
    case 'longrope':
      return {
        type: 'longrope',
        attentionFactor:
          rope.attention_factor ?? longropeAttentionFactor(rope.factor ?? extension, originalLength),
        shortFactors: rope.short_factor,
        longFactors: rope.long_factor,
        originalLength,
      };
  }
}

/** The temperature of attention grows with the logarithm of the extension. */
function yarnAttentionFactor(factor: number, mscale?: number | null, mscaleAllDim?: number | null): number {
  const grown = (scale: number): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  return mscale && mscaleAllDim ? grown(mscale) / grown(mscaleAllDim) : grown(1);
}

const longropeAttentionFactor = (factor: number, originalLength: number): number =>
  factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalLength));

function checkDivisors(
  file: string,
  field: string,
  { shortFactors, longFactors }: RopeScaling & { type: 'longrope' },
  headDim: number,
): void {
  for (const [name, { length }] of Object.entries({ short_factor: shortFactors, long_factor: longFactors })) {
    if (length !== headDim / 2)
      throw unsupported(
        file,
        `${field}.${name} has ${length} entries; heads of ${headDim} need ${headDim / 2}`,
      );
  }
}
