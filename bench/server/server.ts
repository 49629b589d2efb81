/**
 * npm run bench server [prefill] [decode] [batch] [reuse] [long] [start] [http] [agreement] [quick] [135M] [0.5B]
 * [int4] [int8] [512 8192 ...]: the server's figures, both sides of each comparison in one run. Models and context lengths
 * choose some of those of prefill and decode, widths also those of batch and start. What is measured, and how: README.md.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../cli/src/config.ts';
import { findDocuments } from '../../examples/quickstart/prepare.ts';
import { openTokenizer } from '../../tokens/src/index.ts';
import { benchAgreement } from './agreement.ts';
import { benchBatch } from './batch.ts';
import { benchHttp } from './http.ts';
import { benchLong } from './long.ts';
import { BenchModels } from './models.ts';
import { prepareOnnxModel } from './onnx-model.ts';
import { full, type Plan, quick } from './plan.ts';
import { benchReuse } from './reuse.ts';
import { benchSpeeds } from './speeds.ts';
import { benchStart } from './start.ts';

/** Without a name all run but `long`, which takes an hour or two and is run by its name alone. */
const parts = ['prefill', 'decode', 'batch', 'reuse', 'start', 'http', 'agreement'];

export async function benchServer(config: Config, python: string, wanted: string[]): Promise<void> {
  const isWhole = ![...parts, 'long'].some((name) => wanted.includes(name));
  const runs = (name: string) => (isWhole ? parts : wanted).includes(name);
  const plan = chosen(wanted.includes('quick') ? quick : full, wanted);
  const models = await BenchModels.prepare(config, python);
  const cache = join(config.cacheRoot, 'weights');
  mkdirSync(cache, { recursive: true });
  const { cacheRoot, pipArgs } = config;
  const { real } = models;
  const { folder: model } = real;

  const [prefill, decode] = [runs('prefill'), runs('decode')];
  if (prefill || decode) {
    const contests = someOf(['135M', '0.5B'], wanted).map((name) =>
      name === real.name ? real : models.large(plan.isQuick ? 2 : undefined),
    );
    const onnxFolder = () => prepareOnnxModel({ model, cacheRoot, python, pipArgs });
    await benchSpeeds({ contests, cache, javaScript: { contest: real, onnxFolder }, plan, prefill, decode });
  }
  if (runs('batch')) await benchBatch(real, cache, plan);
  if (runs('reuse')) await benchReuse(real, cache, plan);
  if (runs('start')) await benchStart(real, cache, plan);
  if (runs('http')) await benchHttp(real, cache, plan, await documentIds(model, 256));
  if (runs('agreement'))
    await benchAgreement({ python, model, cache }, await documentIds(model, plan.scoredTokens));
  if (runs('long')) await benchLong(models.long(), cache, plan);
}

const chosen = (plan: Plan, wanted: readonly string[]): Plan => ({
  ...plan,
  lengths: someOf(plan.lengths, wanted, ({ tokens }) => String(tokens)),
  widths: someOf(plan.widths, wanted),
});

/** Those whose names are wanted; all where none is named. */
function someOf<T>(
  all: readonly T[],
  wanted: readonly string[],
  nameOf: (one: T) => string = String,
): readonly T[] {
  const named = all.filter((one) => wanted.includes(nameOf(one)));
  return named.length > 0 ? named : all;
}

/** The first tokens of Moby-Dick. */
async function documentIds(model: string, tokens: number): Promise<number[]> {
  const tokenizer = await openTokenizer(model);
  const chapters = [1, 2, 3].map((n) => readFileSync(join(findDocuments(), `chapter_${n}.txt`), 'utf8'));
  return tokenizer.encode(chapters.join('\n')).slice(0, tokens);
}
