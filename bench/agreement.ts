/** What quantisation costs: how often the most likely next token is that of the f32 weights, on real text. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { table } from '../cli/src/live/table.ts';
import type { Engine } from '../server/src/engine/engine.ts';
import { defaultSampling } from '../server/src/engine/sampling/settings.ts';
import { openEngine } from '../server/src/index.ts';
import { openTokenizer } from '../tokens/src/index.ts';

export interface AgreementInputs {
  model: string;
  documents: string;
  cache: string;
}

const positions = 200;
const firstPosition = 64;

async function open(
  { model, cache }: AgreementInputs,
  quantization: 'none' | 'int8' | 'int4',
): Promise<Engine> {
  return openEngine({
    directory: model,
    quantization,
    cache,
    maxModelLen: 1024,
    ropeTheta: null,
    parallelSequences: 1,
    threads: availableParallelism(),
  });
}

/** Most likely next token after each of the prefixes; the slot keeps the prefix, so each costs one token. */
async function topTokens(engine: Engine, ids: number[]): Promise<number[]> {
  const found: number[] = [];
  for (let n = firstPosition; n < firstPosition + positions; n++) {
    const request = {
      ...defaultSampling,
      promptIds: ids.slice(0, n),
      maxTokens: 1,
      temperature: 0,
      ignoreEos: true,
    };
    for await (const { id } of engine.generate(request).tokens) found.push(id);
  }
  return found;
}

export async function benchAgreement(inputs: AgreementInputs): Promise<void> {
  const tokenizer = await openTokenizer(inputs.model);
  const ids = tokenizer.encode(readFileSync(join(inputs.documents, 'chapter_1.txt'), 'utf8'));
  const results = new Map<string, number[]>();
  for (const quantization of ['none', 'int8', 'int4'] as const) {
    const engine = await open(inputs, quantization);
    results.set(quantization, await topTokens(engine, ids));
    await engine.close();
  }
  const exact = results.get('none') ?? [];
  const rows = [...results].map(([name, tokens]) => [
    name,
    `${((100 * tokens.filter((id, i) => id === exact[i]).length) / exact.length).toFixed(1)} %`,
  ]);
  process.stdout.write(`\nTop-1 agreement with f32 on ${positions} positions of Moby-Dick, chapter 1\n`);
  process.stdout.write(`${table(['weights', 'agreement'], rows)}\n`);
}
