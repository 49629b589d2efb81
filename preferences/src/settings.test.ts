import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Corpus } from './fixture/index.ts';
import { modelDigest, settingsDigest } from './settings.ts';

describe('the digest of the settings', () => {
  using corpus = new Corpus();
  const digest = (overrides: object = {}, model = 'm', documents = 'd') =>
    settingsDigest(corpus.config(overrides), model, documents);

  it.each([
    ['the seed', { seed: 1 }],
    ['the served model', { servedModelName: 'other' }],
    ['the context length', { contextLength: 1000 }],
    ['the chunks', { chunkTokens: { min: 1, max: 2 } }],
    ['the shortest document', { minDocumentTokens: 41 }],
    ['the number of documents', { maxDocuments: 1 }],
    ['the turns', { chunksPerDocument: 1 }],
    ['the questions', { questionsPerChunk: 1 }],
    ['the decoding of questions', { question: { temperature: 0 } }],
    ['the decoding of answers', { answer: { temperature: 0 } }],
    ['the filters', { filter: { refusals: false } }],
  ])('follows %s', (_, change) => {
    expect(digest(change)).not.toBe(digest());
  });

  it('follows the model and the documents', () => {
    expect(new Set([digest(), digest({}, 'other'), digest({}, 'm', 'other')]).size).toBe(3);
  });

  it('does not follow names, places and speed', () => {
    const places = { directory: '/a', documents: '/b', tokenizer: '/c' };
    expect(digest({ ...places, training: 'x', stage: 'y', attempt: 9, concurrency: 99 })).toBe(digest());
  });
});

it('the digest of a model follows its tokenizer and the manifest of its checkpoint, and needs no weights', async () => {
  using corpus = new Corpus();
  const folder = join(corpus.folder, 'model');
  mkdirSync(folder);
  const digests: string[] = [];
  for (const [name, content] of [
    ['tokenizer.json', '{}'],
    ['tokenizer.json', '{"a":1}'],
    ['longpo-checkpoint.json', '{"step":1}'],
    ['longpo-checkpoint.json', '{"step":2}'],
    ['model.safetensors', 'bytes'],
  ] as const) {
    writeFileSync(join(folder, name), content);
    digests.push(await modelDigest(folder));
  }
  expect(new Set(digests.slice(0, 4)).size).toBe(4);
  expect(digests[4]).toBe(digests[3]);
});
