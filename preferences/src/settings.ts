/** What the rows depend on, as one digest: rows and items of another digest are not used again. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GenerateConfig } from '@longpo/api';
import { sha256 } from './seed.ts';

/**
 * Of the JSON files of a model folder: tokenizer, config, and a checkpoint's manifest, which has the digest of every
 * weight. Weights without a manifest are known by their config only.
 */
export async function modelDigest(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).toSorted();
  const hash = createHash('sha256');
  for (const name of names)
    hash.update(JSON.stringify([name, sha256(await readFile(join(folder, name), 'utf8'))]));
  return hash.digest('hex');
}

/** Neither names nor places nor the number of requests in flight are among it: they change no row. */
export function settingsDigest(config: GenerateConfig, model: string, documents: string): string {
  const { servedModelName, contextLength, seed, chunkTokens, minDocumentTokens, maxDocuments } = config;
  const { chunksPerDocument, questionsPerChunk, question, answer, filter } = config;
  const text = { servedModelName, contextLength, seed, chunkTokens, minDocumentTokens, maxDocuments };
  const asking = { chunksPerDocument, questionsPerChunk, question, answer, filter };
  return sha256(JSON.stringify({ model, documents, ...text, ...asking }));
}
