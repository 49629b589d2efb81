#!/usr/bin/env node
/** longpo-generate: the generate role of the pod contract. */
import { relative, sep } from 'node:path';
import type { GenerateResult, ProgressReport } from '@longpo/api';
import { openTokenizer } from '@longpo/tokens';
import { openCompletions } from './completions.ts';
import { type PodConfig, readConfig, terminationLogOf } from './config.ts';
import { failureOf } from './failure.ts';
import { generate } from './generate.ts';
import { Reporter } from './report.ts';
import { modelDigest } from './settings.ts';
import { leaveResult } from './termination-log.ts';
import type { Progress } from './work.ts';

/** As long as a server may take to come up, or back after a restart. */
const patienceMs = 5 * 60 * 1000;

const log = (level: 'info' | 'error', msg: string, values: object = {}) =>
  process.stdout.write(
    `${JSON.stringify({ ts: new Date().toISOString(), level, msg, role: 'generate', ...values })}\n`,
  );

function reportOf(
  { stage, attempt }: PodConfig['config'],
  started: number,
  progress: Progress,
): ProgressReport {
  const { completed, total, made, tokens, dropped } = progress;
  const seconds = (Date.now() - started) / 1000;
  return {
    role: 'generate',
    stage,
    attempt,
    phase: 'generate',
    completed,
    total,
    unit: 'items',
    ...(made > 0 ? { etaSeconds: (seconds / made) * (total - completed) } : {}),
    ...(tokens > 0 ? { tokensPerSecond: tokens / seconds } : {}),
    metrics: Object.fromEntries(
      Object.entries(dropped).map(([reason, count]) => [`dropped/${reason}`, count]),
    ),
    reportedAt: new Date().toISOString(),
  };
}

async function run(pod: PodConfig, signal: AbortSignal): Promise<GenerateResult> {
  const { config, endpoint, apiKey, volumeRoot } = pod;
  const counter = await openTokenizer(config.tokenizer);
  const model = await modelDigest(config.tokenizer);
  const completions = openCompletions({ endpoint, apiKey, model: config.servedModelName, patienceMs });
  const reporter = new Reporter(pod.reportUrl, pod.tokenFile);
  let started = Date.now();
  const onProgress = (progress: Progress) => {
    if (progress.made === 0)
      started = Date.now(); // planning is not the server's time
    else log('info', 'item', { completed: progress.completed, total: progress.total });
    reporter.report(reportOf(config, started, progress));
  };
  try {
    const result = await generate({ config, counter, model, completions, signal, onProgress });
    const below = relative(volumeRoot, result.path);
    return below.startsWith(`..${sep}`) ? result : { ...result, path: below };
  } finally {
    await reporter.close();
  }
}

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());
try {
  const result = await run(readConfig(), stop.signal);
  leaveResult(terminationLogOf(), { generate: result });
  log('info', 'rows published', result);
} catch (thrown) {
  const { exitCode, stack, ...error } = failureOf(thrown, stop.signal.aborted);
  if (stack !== undefined) log('error', error.message, { stack });
  process.stderr.write(`error[${error.code}]: ${error.message}\n`);
  leaveResult(terminationLogOf(), { error });
  process.exitCode = exitCode;
}
