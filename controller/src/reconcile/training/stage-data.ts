/** Where a stage's preference data comes from: the user's file, an earlier Job, or a Job and the server that it asks. Pure. */
import type { StageStatus, TrainingStage } from '@longpo/api';
import type { Resource } from '../../cluster.ts';
import { generatorServingName, stageDirectory } from '../../objects/names.ts';
import { buildTrainingServing } from '../../objects/serving.ts';
import { podPath } from '../../objects/uri.ts';
import type { TerminalFailure } from '../../policies/failure.ts';
import type { Removal } from '../plan.ts';
import { isReady, isRetriedServing, removalOf, servingFailure } from './serving-health.ts';
import { historyOf, retriedAt, type StageContext, stageBefore, uriOf } from './stage-context.ts';
import { dataStatus, hasAnswer, jobsOf } from './stage-facts.ts';
import { generateJob, type StageStart } from './stage-jobs.ts';
import { type Step, stepOf } from './step.ts';

export type StageData =
  | { state: 'done'; data: NonNullable<StageStatus['data']>; attempt: number }
  | {
      state: 'generating';
      step: Step<'generate'>;
      data?: NonNullable<StageStatus['data']>;
      keep: Resource[];
      start: Resource[];
      remove: Removal[];
      failure?: TerminalFailure;
    };

export function decideData(context: StageContext, stage: TrainingStage, start: StageStart): StageData {
  const { owner, observed } = context;
  if (stage.preferences) return { state: 'done', data: { path: podPath(stage.preferences.uri) }, attempt: 1 };
  const jobs = jobsOf(context, stage.name);
  const written = writtenBefore(context, stage);
  if (written) return { state: 'done', data: written, attempt: 1 };

  const name = generatorServingName(owner.name, stage.name);
  const existing = observed.servings.get(name);
  const step = stepOf('generate', jobs, historyOf(context, stage.name, 'generate'), (attempt) => [
    generateJob(context, stage, attempt, start, name),
  ]);
  const server = generatorServer(context, name, start, step.state);
  const failed = step.state === 'failed' ? step.failure : undefined;
  if (step.state === 'done') {
    const data = dataStatus(step.result);
    // Training needs the machine that the server holds, so it waits until the server is gone.
    if (existing === undefined) return { state: 'done', data, attempt: step.attempt };
    return { state: 'generating', step, data, keep: [], start: [], remove: server.remove };
  }
  const failure = failed ?? servingFailure(existing, retriedAt(context));
  return {
    state: 'generating',
    step,
    keep: server.keep,
    // The generator is started once its server answers: until then it would only wait.
    start: step.state === 'wanted' && server.ready ? step.start : [],
    remove: server.remove,
    ...(failure === undefined ? {} : { failure }),
  };
}

/** Once a stage trains its data is there, also when somebody deletes the Job that wrote it or that Job's pod. */
function writtenBefore(context: StageContext, stage: TrainingStage): StageStatus['data'] {
  const jobs = jobsOf(context, stage.name);
  const isThere = jobs.some((job) => job.role === 'generate' && hasAnswer(job));
  if (isThere || !jobs.some(({ role }) => role === 'train')) return undefined;
  const path = `${stageDirectory(context.owner.name, stage.name)}/data/rows.jsonl`;
  return stageBefore(context, stage.name)?.data ?? { path };
}

/** The server that the stage's data comes from: made while it is needed, unless the user named one. */
function generatorServer(
  context: StageContext,
  name: string,
  start: StageStart,
  step: Step<'generate'>['state'],
): { keep: Resource[]; remove: Removal[]; ready: boolean } {
  const { training, owner, observed } = context;
  const { storage, generate, podTemplate, resources, suspend } = training.spec;
  const existing = observed.servings.get(name);
  const needed = generate.endpoint === undefined && (step === 'wanted' || step === 'running');
  const remove = removalOf(existing, owner.namespace);
  if (!needed) return { keep: [], remove, ready: true };
  if (isRetriedServing(existing, retriedAt(context))) return { keep: [], remove, ready: false };
  if (suspend && existing === undefined) return { keep: [], remove: [], ready: false };
  const serving = buildTrainingServing(name, owner, {
    model: { uri: uriOf(start.model, storage.claimName) },
    storage: { claimName: storage.claimName },
    replicas: suspend ? 0 : 1,
    podTemplate,
    ...(resources.serve === undefined ? {} : { resources: resources.serve }),
    engine: training.spec.serving.engine,
    tensorParallelSize: training.spec.serving.tensorParallelSize,
    ...(training.spec.serving.engine === 'vllm' ? {} : { quantization: generate.quantization }),
    parallelSequences: Math.min(generate.concurrency, 64),
  });
  return { keep: [serving], remove: [], ready: isReady(existing) };
}
