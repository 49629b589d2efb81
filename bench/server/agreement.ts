/** What quantisation costs: top-1 agreement with transformers in f32, and perplexity, on real text. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { EngineOptions } from '../../server/src/engine/engine.ts';
import { defaultSampling } from '../../server/src/engine/sampling/settings.ts';
import { openEngine } from '../../server/src/index.ts';
import { threads } from './contenders.ts';
import { print } from './report.ts';

/** Of every token but the first. */
interface Scores {
  readonly logprobs: number[];
  readonly top: number[];
}

type Variant = Pick<EngineOptions, 'quantization' | 'kvType'>;

const variants: Record<string, Variant> = {
  'longpo f32': { quantization: 'none' },
  'longpo int8': { quantization: 'int8' },
  'longpo int4': { quantization: 'int4' },
  'longpo int8, int8 keys and values': { quantization: 'int8', kvType: 'int8' },
  'longpo int4, int8 keys and values': { quantization: 'int4', kvType: 'int8' },
};

export async function benchAgreement(
  { python, model, cache }: { python: string; model: string; cache: string },
  ids: number[],
): Promise<void> {
  const exact = scoresOfTransformers(python, model, ids);
  const rows = [row('transformers f32', exact, exact)];
  for (const [name, variant] of Object.entries(variants))
    rows.push(row(name, await scores({ ...variant, directory: model, cache }, ids), exact));
  print(
    `Agreement with transformers on ${ids.length} tokens of Moby-Dick`,
    ['weights', 'top-1 agreement', 'perplexity', 'x transformers', 'largest difference of a logprob'],
    rows,
  );
}

function scoresOfTransformers(python: string, model: string, ids: number[]): Scores {
  const script = join(import.meta.dirname, 'score.py');
  const options = {
    input: JSON.stringify(ids),
    maxBuffer: 2 ** 28,
    encoding: 'utf8',
    stdio: 'pipe',
  } as const;
  return JSON.parse(execFileSync(python, [script, model], options)) as Scores;
}

async function scores(
  options: Variant & Pick<EngineOptions, 'directory' | 'cache'>,
  promptIds: number[],
): Promise<Scores> {
  const maxModelLen = promptIds.length + 1;
  const engine = await openEngine({
    ...options,
    maxModelLen,
    ropeTheta: null,
    parallelSequences: 1,
    threads,
  });
  try {
    const request = { ...defaultSampling, promptIds, maxTokens: 0, promptLogprobs: 1, temperature: 0 };
    const generation = engine.generate(request);
    for await (const _ of generation.tokens);
    const scored = (await generation.promptLogprobs)?.filter((token) => token !== null) ?? [];
    return {
      logprobs: scored.map(({ logprob }) => logprob),
      top: scored.map(({ topLogprobs }) => topLogprobs[0]?.id ?? -1),
    };
  } finally {
    await engine.close();
  }
}

const perplexity = ({ logprobs }: Scores): number =>
  Math.exp(-logprobs.reduce((sum, value) => sum + value, 0) / logprobs.length);

function row(name: string, found: Scores, exact: Scores): string[] {
  const same = found.top.filter((id, i) => id === exact.top[i]).length;
  const differences = found.logprobs.map((value, i) => Math.abs(value - (exact.logprobs[i] ?? Number.NaN)));
  return [
    name,
    `${((100 * same) / exact.top.length).toFixed(1)} %`,
    perplexity(found).toFixed(3),
    (perplexity(found) / perplexity(exact)).toFixed(4),
    Math.max(...differences).toExponential(1),
  ];
}
