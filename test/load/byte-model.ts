/** A small random model whose tokens are bytes: any text is a prompt, of as many tokens as it has characters. */

import { writeFixtureModel } from '../../server/src/model/fixture.ts';
import { byteVocabularySize, writeByteTokenizer } from '../../tokens/src/fixture.ts';

export interface ByteModel {
  readonly contextLength: number;
  /** The same seed gives the same bytes. */
  readonly seed?: number;
  /** Overrides of config.json. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export async function writeByteModel(
  folder: string,
  { contextLength, seed = 1, config }: ByteModel,
): Promise<void> {
  const own = { vocab_size: byteVocabularySize, max_position_embeddings: contextLength, eos_token_id: 2 };
  await writeFixtureModel(folder, { seed, config: { ...own, ...config } });
  await writeByteTokenizer(folder);
}
