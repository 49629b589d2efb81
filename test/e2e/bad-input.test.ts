import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FastWorld, fastTraining, freePort, longpo, makeFastWorld } from './longpo-run.ts';

/** Each ends with one clear message and the right exit code, and leaves what was there. */
let world: FastWorld;
beforeAll(async () => {
  world = await makeFastWorld(mkdtempSync(join(tmpdir(), 'longpo-bad-')));
});
afterAll(() => rmSync(world.folder, { recursive: true, force: true }));

type Manifest = typeof fastTraining;

/** Runs a changed manifest; gives exit code and the lines that begin with error. */
async function runChanged(name: string, change: (manifest: Manifest) => void, args: string[] = [], env = {}) {
  const manifest = structuredClone(fastTraining);
  manifest.metadata.name = name;
  change(manifest);
  const file = join(world.folder, `${name}.yaml`);
  writeFileSync(file, JSON.stringify(manifest));
  const port = args.includes('--port') ? [] : ['--port', String(await freePort())];
  const run = longpo(['run', file, '--state', join(world.folder, 'state'), ...port, ...args], env);
  const code = await run.exited;
  const errors = run
    .output()
    .split('\n')
    .filter((line) => line.startsWith('error['));
  return { code, errors, output: run.output() };
}

const only = (text: RegExp) => [expect.stringMatching(text) as string];

describe('bad input', () => {
  it('unknown field: names it and the nearest known one', async () => {
    const { code, errors } = await runChanged('unknown', ({ spec }) =>
      Object.assign(spec.train, { learningrate: 1 }),
    );
    expect({ code, errors }).toEqual({
      code: 2,
      errors: only(
        /^error\[MANIFEST_INVALID\]: .*spec\.train\.learningrate: unknown field; did you mean learningRate\?$/,
      ),
    });
  });

  it('context length that does not grow: says which rule', async () => {
    const { code, errors } = await runChanged('shrinks', ({ spec }) => {
      spec.stages.push({ name: 'next', contextLength: 256, parallelism: { sequence: 1 } });
    });
    expect({ code, errors }).toEqual({ code: 2, errors: only(/spec\.stages: contextLength must grow/) });
  });

  it('sequence degree above the head count: names the field and what is allowed', async () => {
    const { code, errors } = await runChanged('heads', ({ spec }) => {
      const [stage] = spec.stages;
      if (stage) stage.parallelism.sequence = 7;
    });
    expect({ code, errors }).toEqual({
      code: 2,
      errors: only(
        /^error\[PlanInvalid\]: spec\.stages\[0\]\.parallelism\.sequence is 7, .* 6 query heads.*use 1 to 6/,
      ),
    });
  });

  it('missing model directory: names it', async () => {
    const { code, errors } = await runChanged('nomodel', ({ spec }) => {
      spec.model.uri = './nowhere';
    });
    expect({ code, errors }).toEqual({ code: 2, errors: only(/^error\[MODEL_NOT_FOUND\]: .*nowhere/) });
  });

  it('a truncated safetensors file: names the file and both sizes, and leaves it', async () => {
    const cut = join(world.folder, 'cut');
    cpSync(world.model, cut, { recursive: true });
    const file = join(cut, 'model.safetensors');
    truncateSync(file, statSync(file).size - 1000);
    const size = statSync(file).size;
    const { code, errors } = await runChanged('cut', ({ spec }) => {
      spec.model.uri = './cut';
    });
    expect({ code, errors, size: statSync(file).size }).toEqual({
      code: 2,
      errors: only(
        new RegExp(
          `MODEL_TRUNCATED\\].*model\\.safetensors has ${size} bytes, its header describes ${size + 1000}`,
        ),
      ),
      size,
    });
  });

  it('empty documents folder: names it and what belongs there', async () => {
    mkdirSync(join(world.folder, 'empty'), { recursive: true });
    const { code, errors } = await runChanged('empty', ({ spec }) => {
      spec.documents.uri = './empty';
    });
    expect({ code, errors }).toEqual({
      code: 2,
      errors: only(/^error\[DOCUMENTS_EMPTY\]: .*empty.*\.txt, \.md or \.jsonl/),
    });
  });

  it('port taken: names it before anything is started', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const { code, errors } = await runChanged('port', () => {}, ['--port', String(port)]);
    server.close();
    expect({ code, errors, state: existsSync(join(world.folder, 'state', 'port')) }).toEqual({
      code: 2,
      errors: only(new RegExp(`^error\\[PORT_IN_USE\\]: 127\\.0\\.0\\.1:${port} is taken`)),
      state: false,
    });
  });

  it('Python missing: says what was tried and how to mend it', async () => {
    const { code, errors } = await runChanged('nopython', () => {}, [], {
      LONGPO_PYTHON: '/nowhere/python3',
    });
    expect({ code, errors }).toEqual({
      code: 2,
      errors: only(/^error\[PYTHON_MISSING\]: LONGPO_PYTHON: \/nowhere\/python3/),
    });
  });

  it('a row longer than the context: names it, and is never cut', async () => {
    const rows = join(world.folder, 'rows.jsonl');
    const row = {
      id: 'long',
      source: 'test',
      document: 'x'.repeat(600),
      turns: [{ chunk: 'x', question: 'Why?', chosen: 'because', rejected: 'never' }],
    };
    writeFileSync(rows, `${JSON.stringify(row)}\n`);
    const { code, errors } = await runChanged('longrow', ({ spec }) => {
      const [stage] = spec.stages;
      if (stage) Object.assign(stage, { preferences: { uri: './rows.jsonl' } });
    });
    expect({ code, errors }).toEqual({ code: 4, errors: only(/ROW_TOO_LONG\].*long/) });
  });
});

describe('longpo serve', () => {
  it('refuses a checkpoint with one changed byte, names the file and leaves it', async () => {
    const folder = join(world.folder, 'checkpoint');
    cpSync(world.model, folder, { recursive: true });
    await writeManifest(folder);
    const serving = longpo(['serve', folder, '--quantization', 'none', '--port', String(await freePort())]);
    await serving.prints(/answers at/);
    serving.child.kill('SIGINT');
    expect(await serving.exited).toBe(0);

    const file = join(folder, 'model.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const refused = longpo(['serve', folder, '--quantization', 'none', '--port', String(await freePort())]);
    expect(await refused.exited).toBe(4);
    expect(refused.output()).toMatch(/^error\[CHECKPOINT_CORRUPT\]: .*model\.safetensors/m);
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it('refuses a folder without weights and names what is missing', async () => {
    const folder = join(world.folder, 'half');
    mkdirSync(folder);
    copyFileSync(join(world.model, 'config.json'), join(folder, 'config.json'));
    const refused = longpo(['serve', folder, '--port', String(await freePort())]);
    expect(await refused.exited).toBe(2);
    expect(refused.output()).toMatch(/^error\[MODEL_INCOMPLETE\]: .* is missing/m);
  });
});

/** A manifest as the trainer writes it, over the files of a folder. */
async function writeManifest(folder: string): Promise<void> {
  const { createHash } = await import('node:crypto');
  const sha = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
  const files = readdirSync(folder)
    .toSorted()
    .map((path) => ({
      path,
      bytes: statSync(join(folder, path)).size,
      sha256: sha(readFileSync(join(folder, path))),
    }));
  const digest = `sha256:${sha(files.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join(''))}`;
  const manifest = {
    apiVersion: 'longpo.dev/v1alpha1',
    kind: 'LongPOCheckpoint',
    training: 'fast',
    stage: 'short',
    step: 4,
    contextLength: 512,
    dtype: 'f32',
    baseModelDigest: digest,
    digest,
    files,
    metrics: {},
    createdAt: new Date().toISOString(),
    trainerVersion: '0.1.0',
  };
  appendFileSync(join(folder, 'longpo-checkpoint.json'), JSON.stringify(manifest));
}
