/**
 * npm run bench server [prefill] [decode] [batch] [reuse] [long] [start] [http] [agreement] [quick] [135M] [0.5B]
 * [int4] [int8] [512 8192 ...]: the server's figures, both sides of each comparison in one run. Models, widths and context
 * lengths choose some of those of prefill and decode. What is measured, and how: README.md.
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

/** Without a name all run but `long`, which takes an hour and is run by its name alone. */
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
    const large = () => models.large(plan.isQuick ? 2 : undefined);
    const contests = wanted.includes('135M') ? [real] : wanted.includes('0.5B') ? [large()] : [real, large()];
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

function chosen(plan: Plan, wanted: readonly string[]): Plan {
  const lengths = plan.lengths.filter(({ tokens }) => wanted.includes(String(tokens)));
  const widths = plan.widths.filter((width) => wanted.includes(width));
  return {
    ...plan,
    lengths: lengths.length > 0 ? lengths : plan.lengths,
    widths: widths.length > 0 ? widths : plan.widths,
  };
}

/** The first tokens of Moby-Dick. */
async function documentIds(model: string, tokens: number): Promise<number[]> {
  const tokenizer = await openTokenizer(model);
  const chapters = [1, 2, 3].map((n) => readFileSync(join(findDocuments(), `chapter_${n}.txt`), 'utf8'));
  return tokenizer.encode(chapters.join('\n')).slice(0, tokens);
}
