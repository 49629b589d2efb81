#!/usr/bin/env node
/** longpo-generate: the generate role of the pod contract. */
import { writeFileSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { exitCodes, type GenerateResult, type PodResult, terminationMessageLimit } from '@longpo/api';
import { openTokenizer, TokenizerError } from '@longpo/tokens';
import { openCompletions } from './completions.ts';
import { type PodConfig, readConfig, terminationLogOf } from './config.ts';
import { GenerateError } from './errors.ts';
import { generate, type Progress } from './generate.ts';
import { Reporter } from './report.ts';

/** As long as a server may take to come back after a restart. */
const patienceMs = 5 * 60 * 1000;

const log = (msg: string, values: object = {}) =>
  process.stdout.write(
    `${JSON.stringify({ ts: new Date().toISOString(), level: 'info', msg, role: 'generate', ...values })}\n`,
  );

function reportOf({ config }: PodConfig, started: number, { completed, total, tokens, dropped }: Progress) {
  const seconds = (Date.now() - started) / 1000;
  return {
    role: 'generate' as const,
    stage: config.stage,
    attempt: config.attempt,
    phase: 'generate' as const,
    completed,
    total,
    unit: 'items' as const,
    ...(tokens > 0 ? { tokensPerSecond: tokens / seconds } : {}),
    metrics: Object.fromEntries(
      Object.entries(dropped).map(([reason, count]) => [`dropped/${reason}`, count]),
    ),
    reportedAt: new Date().toISOString(),
  };
}

async function run(pod: PodConfig, signal: AbortSignal): Promise<GenerateResult> {
  const counter = await openTokenizer(pod.config.tokenizer);
  const reporter = new Reporter(pod.reportUrl, pod.tokenFile);
  const started = Date.now();
  const { ask, ready } = openCompletions({
    endpoint: pod.endpoint,
    apiKey: pod.apiKey,
    model: pod.config.servedModelName,
    patienceMs,
    signal,
  });
  try {
    const onProgress = (progress: Progress) => reporter.report(reportOf(pod, started, progress));
    const result = await generate({ config: pod.config, counter, ask, ready, signal, onProgress });
    const below = relative(pod.volumeRoot, result.path);
    return below.startsWith(`..${sep}`) ? result : { ...result, path: below };
  } finally {
    await reporter.close();
  }
}

function asError(error: unknown, signal: AbortSignal): GenerateError {
  if (error instanceof GenerateError) return error;
  if (signal.aborted)
    return new GenerateError('PREEMPTED', 'stopped from outside; start again to go on', exitCodes.tryAgain);
  if (error instanceof TokenizerError) return new GenerateError(error.code, error.message);
  throw error;
}

function leave(result: PodResult): void {
  const file = terminationLogOf();
  if (file !== undefined) writeFileSync(file, JSON.stringify(result).slice(0, terminationMessageLimit));
}

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort(new Error('SIGTERM')));
process.once('SIGINT', () => stop.abort(new Error('SIGINT')));
try {
  const result = await run(readConfig(), stop.signal);
  leave({ generate: result });
  log('rows published', result);
} catch (thrown) {
  const { code, message, exitCode } = asError(thrown, stop.signal);
  process.stderr.write(`error[${code}]: ${message}\n`);
  leave({ error: { code, message: message.slice(0, 2000) } });
  process.exit(exitCode); // requests in flight would keep the process for as long as they take
}
