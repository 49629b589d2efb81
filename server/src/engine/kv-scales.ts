/**
 * Scales of int8 keys and values: the largest magnitude of each dimension of each head in a sample, and room above it.
 * They must be known before the first token is stored, and stay; what is larger is cut.
 */
import { Decoder, type DecoderSettings } from './decoder.ts';
import { seededRandom } from './sampling/random.ts';

/** Keys and values of layer 0, of layer 1, ...: one factor a head and dimension. */
export type KvScales = readonly Float32Array[];

const sampleTokens = 512;
const chunkTokens = 256;
/**
 * For magnitudes that the sample has not. Measured on SmolLM2-135M over 1,200 tokens of a novel against float32: the loss
 * grows by 0.004, and 95.5 % of the most likely tokens stay.
 */
const headroom = 1.25;
const largest = 127;
/** A dimension that is always zero. */
const smallest = 1e-6;

/** Reads random tokens with float32 keys and values and looks at what they leave. */
export async function sampleKvScales(settings: DecoderSettings): Promise<KvScales> {
  const { vocabularySize, keyValueHeads } = settings.architecture;
  const tokens = Math.min(sampleTokens, settings.positions);
  const sample = { slots: 1, positions: tokens, chunkTokens: Math.min(chunkTokens, tokens) };
  const decoder = await Decoder.open({ ...settings, ...sample, maxDraft: 0, kvScales: null });
  try {
    const random = seededRandom(0);
    for (let past = 0; past < tokens; past += sample.chunkTokens) {
      const length = Math.min(sample.chunkTokens, tokens - past);
      const ids = Array.from({ length }, () => Math.floor(random() * vocabularySize));
      await decoder.run({ slot: 0, ids, past });
    }
    const heads = decoder.memory(0, tokens).map((bytes) => new Float32Array(bytes.buffer));
    return Array.from({ length: heads.length / keyValueHeads }, (_, i) =>
      scales(heads.slice(i * keyValueHeads, (i + 1) * keyValueHeads), tokens, i % 2 === 0),
    );
  } finally {
    await decoder.close();
  }
}

/** Keys turn with their position: what one dimension of a pair holds here, the other holds elsewhere. */
function scales(heads: readonly Float32Array[], tokens: number, turning: boolean): Float32Array {
  return Float32Array.from(
    heads.flatMap((values) => {
      const width = values.length / tokens;
      const magnitude = (token: number, dimension: number): number => {
        const pair = values[token * width + ((dimension + width / 2) % width)] ?? 0;
        return Math.hypot(values[token * width + dimension] ?? 0, turning ? pair : 0);
      };
      return Array.from({ length: width }, (_, dimension) => {
        let top = 0;
        for (let token = 0; token < tokens; token++) top = Math.max(top, magnitude(token, dimension));
        return Math.max((top * headroom) / largest, smallest);
      });
    }),
  );
}
