/** longpo run FILE: the whole pipeline on this machine, to a model that answers over HTTP. */
import { existsSync, readdirSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { exitCodes, type LongPOTraining, reasons } from '@longpo/api';
import { type Config, readConfig } from '../config.ts';
import { UserError } from '../errors.ts';
import { createLiveView } from '../live/live-view.ts';
import { renderServing, renderStages } from '../live/summary.ts';
import { readModelFacts } from '../plan/model-facts.ts';
import { planTraining } from '../plan/plan.ts';
import { renderPlan } from '../plan/render-plan.ts';
import { podPath, requirementsFile } from '../run/executables.ts';
import { readManifest } from '../run/manifest.ts';
import { type LocalOperator, startLocalOperator } from '../run/operator.ts';
import { assertPortFree } from '../run/port.ts';
import { ask } from '../run/question.ts';
import { lockState } from '../run/state-lock.ts';
import { applyTraining, setAside, type TrainingOutcome, watchTraining } from '../run/training-run.ts';
import { ensurePython } from '../setup/python.ts';

export interface RunOptions {
  port: number;
  state: string;
  once: boolean;
  fresh: boolean;
  question: string;
}

const graceMs = 15_000;
const interrupted = 130;

/** Exit code of the command. */
export async function run(file: string, options: RunOptions): Promise<number> {
  const config = readConfig();
  const training = readManifest(file);
  preflight(training);
  await assertPortFree(options.port);
  const stateFolder = resolve(options.state, training.metadata.name);
  const python = await ensurePython({
    cacheRoot: config.cacheRoot,
    requirementsFile,
    python: config.python,
    pipArgs: config.pipArgs,
    output: process.stdout,
  });
  if (options.fresh) setAside(stateFolder, new Date());
  const unlock = lockState(stateFolder);
  try {
    printPlan(training);
    return await runLocked(training, { options, config, stateFolder, python });
  } finally {
    unlock();
  }
}

interface Context {
  options: RunOptions;
  config: Config;
  stateFolder: string;
  python: string;
}

async function runLocked(
  training: LongPOTraining,
  { options, config, stateFolder, python }: Context,
): Promise<number> {
  const volumeRoot = join(stateFolder, 'volume');
  const operator = await startLocalOperator({
    stateFolder,
    volumeRoot,
    ports: { [training.metadata.name]: options.port },
    podBase: { ...config.passedOn, PATH: podPath(config.path), LONGPO_PYTHON: python, PYTHONUNBUFFERED: '1' },
  });
  const stop = onInterrupt(operator);
  const view = createLiveView(process.stdout, () => new Date());
  try {
    await applyTraining(operator.cluster, training, new Date());
    const outcome = await Promise.race([
      watchTraining(operator.cluster, training.metadata.name, (changed) => view.update(changed)),
      stop.requested,
    ]);
    view.end();
    if (outcome === undefined) return interrupted;
    return await conclude(outcome, { operator, volumeRoot, options, stop: stop.requested, stateFolder });
  } finally {
    view.end();
    if (stop.isRequested()) process.stdout.write('Stopping. The same command goes on from here.\n');
    await operator.stop(graceMs);
    stop.release();
  }
}

interface Conclusion {
  operator: LocalOperator;
  volumeRoot: string;
  stateFolder: string;
  options: RunOptions;
  stop: Promise<undefined>;
}

async function conclude(
  outcome: TrainingOutcome,
  { operator, volumeRoot, stateFolder, options, stop }: Conclusion,
) {
  const { training } = outcome;
  process.stdout.write(`\n${renderStages(training)}\n`);
  if (outcome.state === 'failed') {
    process.stderr.write(
      `error[${outcome.reason}]: ${outcome.message}\n  logs: ${join(stateFolder, 'logs')}\n`,
    );
    return exitCodeByReason.get(outcome.reason) ?? retriedInVain;
  }
  if (outcome.url === undefined) return exitCodes.done;
  const url = await operator.network.resolve(outcome.url);
  process.stdout.write(`\n${renderServing(url, training.metadata.name)}\n`);
  if (options.once) {
    const { text } = await answer(training, url, volumeRoot, options.question);
    return text === '' ? 1 : exitCodes.done;
  }
  process.stdout.write('\nThe server runs until Ctrl-C.\n');
  await stop;
  return exitCodes.done;
}

async function answer(training: LongPOTraining, url: string, volumeRoot: string, question: string) {
  const checkpoint = training.status?.stages?.at(-1)?.checkpoint?.path ?? '';
  const reply = await ask({
    url,
    model: training.metadata.name,
    checkpoint: isAbsolute(checkpoint) ? checkpoint : join(volumeRoot, checkpoint),
    documents: training.spec.documents?.uri ?? '',
    contextLength: training.spec.stages.at(-1)?.contextLength ?? 0,
    question,
  });
  process.stdout.write(
    `\nDocument: ${reply.document} (${reply.promptTokens} tokens of prompt)\nQuestion: ${question}\nAnswer:   ${reply.text.trim()}\n`,
  );
  return reply;
}

/** Exit code by the reason of the failure, so that scripts can tell bad input from bad luck. */
const exitCodeByReason = new Map<string, number>([
  [reasons.modelInvalid, exitCodes.config],
  [reasons.configInvalid, exitCodes.config],
  [reasons.planInvalid, exitCodes.config],
  [reasons.unavailable, exitCodes.config],
  [reasons.doesNotFit, exitCodes.doesNotFit],
  [reasons.dataInvalid, exitCodes.mismatch],
  [reasons.checkpointInvalid, exitCodes.mismatch],
  [reasons.nonFiniteLoss, exitCodes.nonFiniteLoss],
]);
const retriedInVain = 1;

/** What can be known to be wrong before anything is started. */
function preflight(training: LongPOTraining): void {
  const { model, documents } = training.spec;
  if (isAbsolute(model.uri) && !existsSync(model.uri))
    throw new UserError(
      'MODEL_NOT_FOUND',
      `spec.model.uri: ${model.uri}: no such folder; give a Hugging Face model folder or hf://org/name`,
    );
  if (documents === undefined || !isAbsolute(documents.uri)) return;
  if (!existsSync(documents.uri))
    throw new UserError('DOCUMENTS_NOT_FOUND', `spec.documents.uri: ${documents.uri}: no such folder`);
  const names = readdirSync(documents.uri, { recursive: true }).map(String);
  if (!names.some((name) => /\.(txt|md|jsonl)$/.test(name)))
    throw new UserError(
      'DOCUMENTS_EMPTY',
      `spec.documents.uri: ${documents.uri}: has no .txt, .md or .jsonl file`,
    );
}

function printPlan(training: LongPOTraining): void {
  const { uri } = training.spec.model;
  if (!isAbsolute(uri)) return; // facts of a hub model are known once it is fetched
  const machine = { device: 'cpu' as const, cores: cpus().length, memoryBytes: totalmem() };
  process.stdout.write(`${renderPlan(planTraining(training.spec, readModelFacts(uri), machine))}\n\n`);
}

/** First Ctrl-C (or SIGTERM) asks the processes to end, the second ends them. */
function onInterrupt(operator: LocalOperator) {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let requests = 0;
  const request = () => {
    requests++;
    if (requests === 1) resolve(undefined);
    else operator.kill();
  };
  process.on('SIGINT', request);
  process.on('SIGTERM', request);
  return {
    requested: promise,
    isRequested: () => requests > 0,
    release() {
      process.off('SIGINT', request);
      process.off('SIGTERM', request);
    },
  };
}
