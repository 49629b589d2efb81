import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFixtureModel } from './fixture.ts';
import { openModelFolder } from './folder.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longpo-model-'));
});
afterEach(() => rm(directory, { recursive: true }));

const sha256 = async (name: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(join(directory, name)))
    .digest('hex');

/** Publishes the folder as a checkpoint, as the trainer does. */
async function writeManifest(): Promise<string> {
  const names = (await readdir(directory)).sort();
  const files = await Promise.all(
    names.map(async (path) => ({
      path,
      bytes: (await stat(join(directory, path))).size,
      sha256: await sha256(path),
    })),
  );
  const lines = files.map((file) => `${file.sha256}  ${file.path}\n`).join('');
  const digest = `sha256:${createHash('sha256').update(lines).digest('hex')}`;
  const manifest = {
    apiVersion: 'longpo.dev/v1alpha1',
    kind: 'LongPOCheckpoint',
    training: 'tiny',
    stage: '1k',
    step: 4,
    contextLength: 1024,
    dtype: 'f32',
    baseModelDigest: digest,
    digest,
    files,
    metrics: { loss: 0.5 },
    createdAt: '2026-11-24T09:00:00Z',
    trainerVersion: '0.1.0',
  };
  await writeFile(join(directory, 'longpo-checkpoint.json'), JSON.stringify(manifest));
  return digest;
}

async function flipByte(name: string): Promise<void> {
  await using file = await open(join(directory, name), 'r+');
  const { size } = await file.stat();
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, size - 1);
  await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, size - 1);
}

const refusal = (): Promise<{ code: string; message: string }> =>
  openModelFolder(directory).then(
    () => ({ code: 'OPENED', message: '' }),
    ({ code, message }) => ({ code, message }),
  );

test('a complete plain model opens; its digest is that of its content files', async () => {
  await writeFixtureModel(directory);
  await writeFile(join(directory, 'generation_config.json'), '{"eos_token_id": [0, 7]}');
  await writeFile(join(directory, 'longpo-notes.json'), '{}');
  await writeFile(join(directory, 'README.md'), 'not content');
  const names = ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json'];
  const lines = await Promise.all(names.map(async (name) => `${await sha256(name)}  ${name}\n`));
  const folder = await openModelFolder(directory);
  expect(folder.digest).toBe(`sha256:${createHash('sha256').update(lines.join('')).digest('hex')}`);
  expect({ eos: folder.eosTokenIds, checkpoint: folder.checkpoint }).toEqual({
    eos: [0, 7],
    checkpoint: null,
  });
});

test('a sharded model opens like one file, and a missing shard is named', async () => {
  await writeFixtureModel(directory, { shards: 3 });
  const { tensors } = await openModelFolder(directory);
  expect(new Set([...tensors.values()].map(({ file }) => file)).size).toBe(3);
  await rm(join(directory, 'model-2-of-3.safetensors'));
  expect(await refusal()).toEqual({
    code: 'MODEL_INCOMPLETE',
    message: `${directory}/model-2-of-3.safetensors: the file is missing`,
  });
});

test.each(['config.json', 'tokenizer.json', 'model.safetensors'])(
  'without %s the folder is refused',
  async (name) => {
    await writeFixtureModel(directory);
    await rm(join(directory, name));
    const { code, message } = await refusal();
    expect(code).toBe('MODEL_INCOMPLETE');
    expect(message).toContain(join(directory, name));
  },
);

test('a truncated safetensors file is named with its expected and actual length', async () => {
  await writeFixtureModel(directory);
  const path = join(directory, 'model.safetensors');
  const { size } = await stat(path);
  await truncate(path, size - 10);
  expect(await refusal()).toEqual({
    code: 'MODEL_TRUNCATED',
    message: `${path}: expected ${size} bytes, found ${size - 10}; the file is cut off, copy or download it again`,
  });
  await truncate(path, 5);
  expect((await refusal()).code).toBe('MODEL_TRUNCATED');
});

test('a tensor of another shape than config.json asks for is refused', async () => {
  await writeFixtureModel(directory);
  const path = join(directory, 'config.json');
  const config = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...config, vocab_size: 95 }));
  expect((await refusal()).code).toBe('MODEL_INVALID');
});

test('a tensor that the computation would leave out is refused', async () => {
  await writeFixtureModel(directory, { config: { attention_bias: true } });
  const path = join(directory, 'config.json');
  const config = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...config, attention_bias: false }));
  expect((await refusal()).code).toBe('MODEL_UNSUPPORTED');
});

test('a checkpoint opens under the digest of its manifest', async () => {
  await writeFixtureModel(directory);
  const digest = await writeManifest();
  const folder = await openModelFolder(directory);
  expect({ digest: folder.digest, step: folder.checkpoint?.step }).toEqual({ digest, step: 4 });
});

test('a checkpoint with one changed byte is refused by the file that has it', async () => {
  await writeFixtureModel(directory);
  await writeManifest();
  await flipByte('model.safetensors');
  const { code, message } = await refusal();
  expect(code).toBe('CHECKPOINT_CORRUPT');
  expect(message).toContain(join(directory, 'model.safetensors'));
});

test('a checkpoint without one of its files is refused by name', async () => {
  await writeFixtureModel(directory);
  await writeManifest();
  await rename(join(directory, 'tokenizer.json'), join(directory, 'elsewhere'));
  const { code, message } = await refusal();
  expect(code).toBe('CHECKPOINT_FILE_MISSING');
  expect(message).toContain('tokenizer.json');
});

test('a manifest whose digest does not name its files is refused', async () => {
  await writeFixtureModel(directory);
  await writeManifest();
  const path = join(directory, 'longpo-checkpoint.json');
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(
    path,
    JSON.stringify({
      ...manifest,
      digest: manifest.digest.replace(/.$/, (c: string) => (c === '0' ? '1' : '0')),
    }),
  );
  expect((await refusal()).code).toBe('CHECKPOINT_INVALID');
});

test('a folder that is not there is named', async () => {
  await expect(openModelFolder(join(directory, 'nowhere'))).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
  });
});
