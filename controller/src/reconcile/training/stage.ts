/**
 * One stage: generate, train, verify. Pure. Each step looks only at the children, so a controller that starts in
 * the middle of a stage goes on where its children are.
 */
import {
  type Condition,
  conditionTypes,
  type GenerateResult,
  type LongPOServing,
  reasons,
  type StageStatus,
  type TrainingStage,
  type TrainResult,
} from '@longpo/api';
import { isBeingDeleted, type Resource, type ResourceRef } from '../../cluster.ts';
import { generatorServingName } from '../../objects/names.ts';
import { buildTrainingServing } from '../../objects/serving.ts';
import { podPath } from '../../objects/uri.ts';
import { retryAnnotation } from '../../policies/attempt.ts';
import type { TerminalFailure } from '../../policies/failure.ts';
import { type Observed, servingType } from '../observe.ts';
import { generateJob, type JobContext, type StageStart, trainJob, verifyJob } from './stage-jobs.ts';
import { type Step, stepOf } from './step.ts';

export interface StageDecision {
  status: StageStatus;
  apply: Resource[];
  remove: ResourceRef[];
  failure?: TerminalFailure;
  /** Set once the checkpoint is verified: what the next stage starts from, and what is served. */
  finished?: { next: StageStart; checkpoint: string };
}

export function isReady(serving: LongPOServing | undefined): boolean {
  if (serving === undefined || isBeingDeleted(serving)) return false;
  return (
    serving.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
  );
}

function unavailableCondition(serving: LongPOServing | undefined): Condition | undefined {
  const ready = serving?.status?.conditions?.find(({ type }) => type === conditionTypes.ready);
  return ready?.reason === reasons.unavailable ? ready : undefined;
}

/** Asked to try again since it was made: then it is made anew, for a mended model needs a new look. */
export function isRetriedServing(serving: LongPOServing | undefined, retried: string | undefined): boolean {
  const ready = unavailableCondition(serving);
  if (ready === undefined || retried === undefined) return false;
  return Date.parse(retried) >= Date.parse(ready.lastTransitionTime);
}

/** A serving that will never be ready as it is, as a failure of the training that waits for it. */
export function servingFailure(
  serving: LongPOServing | undefined,
  retried: string | undefined,
): TerminalFailure | undefined {
  const ready = unavailableCondition(serving);
  if (ready === undefined || isRetriedServing(serving, retried)) return undefined;
  return {
    reason: reasons.unavailable,
    message: `LongPOServing ${serving?.metadata.name}: ${ready.message}`,
  };
}

/** URI of a path that a role reported: below the volume root, or absolute. */
export const uriOf = (path: string, claim: string): string =>
  path.startsWith('/') ? path : `pvc://${claim}/${path}`;

export const retriedAt = ({ training }: JobContext): string | undefined =>
  training.metadata.annotations?.[retryAnnotation];

export function decideStage(
  context: JobContext,
  observed: Observed,
  stage: TrainingStage,
  start: StageStart,
): StageDecision {
  const jobs = observed.jobs.filter((job) => job.stage === stage.name);
  const retried = retriedAt(context);
  const base = {
    name: stage.name,
    restarts: jobs.reduce((sum, job) => sum + job.countedFailures, 0),
    ...lastFailure(jobs),
  };
  const outcome = (
    state: StageStatus['state'],
    step: Step<'generate' | 'train' | 'verify'>,
    rest: Partial<StageStatus>,
  ) => ({
    status: {
      ...base,
      ...rest,
      state: step.state === 'failed' ? 'Failed' : state,
      attempt: step.attempt,
    } as StageStatus,
    apply: step.state === 'wanted' ? step.apply : [],
    remove: [],
    ...(step.state === 'failed' ? { failure: step.failure } : {}),
  });

  const own = stage.preferences && { path: podPath(stage.preferences.uri) };
  let data: NonNullable<StageStatus['data']> | undefined = own;
  if (data === undefined) {
    const servingName = generatorServingName(context.owner.name, stage.name);
    const step = stepOf('generate', jobs, retried, (n) => [
      generateJob(context, stage, n, start, servingName),
    ]);
    const server = generatorServer(context, observed, servingName, start, step.state);
    if (step.state !== 'done') {
      const decision = outcome('Generating', step, {});
      // The generator is started once its server answers: until then it would only wait.
      const apply = server.ready ? [...server.apply, ...decision.apply] : server.apply;
      const failure = decision.failure ?? servingFailure(observed.servings.get(servingName), retried);
      return { ...decision, apply, remove: server.remove, ...(failure === undefined ? {} : { failure }) };
    }
    data = dataStatus(step.result);
    // Training needs the machine that the server holds, so it waits until the server is gone.
    if (!server.gone)
      return {
        status: { ...base, state: 'Generating', attempt: step.attempt, data },
        apply: [],
        remove: server.remove,
      };
  }

  const rows = data.path;
  const train = stepOf('train', jobs, retried, (n) => trainJob(context, stage, n, start, rows));
  if (train.state !== 'done') return outcome('Training', train, { data });
  const trained = train.result;
  const verify = stepOf('verify', jobs, retried, (n) => [verifyJob(context, stage, n, trained)]);
  const checkpoint = checkpointStatus(trained, verify.state === 'done');
  if (verify.state !== 'done') return outcome('Verifying', verify, { data, checkpoint });
  return {
    ...outcome('Succeeded', verify, { data, checkpoint }),
    finished: {
      next: { model: trained.master, digest: trained.masterDigest },
      checkpoint: trained.checkpoint,
    },
  };
}

function lastFailure(jobs: Observed['jobs']): Pick<StageStatus, 'lastFailure'> {
  const failure = jobs.flatMap((job) => job.lastFailure ?? []).at(-1);
  return failure === undefined ? {} : { lastFailure: failure };
}

/** The server that the stage's data comes from: made while it is needed, unless the user named one. */
function generatorServer(
  context: JobContext,
  observed: Observed,
  name: string,
  start: StageStart,
  step: Step<'generate'>['state'],
): { apply: Resource[]; remove: ResourceRef[]; ready: boolean; gone: boolean } {
  const { training, owner } = context;
  const existing = observed.servings.get(name);
  const needed = training.spec.generate.endpoint === undefined && (step === 'wanted' || step === 'running');
  const remove = existing ? [{ ...servingType, namespace: owner.namespace, name }] : [];
  if (!needed) return { apply: [], remove, ready: true, gone: existing === undefined };
  if (isRetriedServing(existing, retriedAt(context))) return { apply: [], remove, ready: false, gone: false };
  const { storage, generate } = training.spec;
  const serving = buildTrainingServing(name, owner, {
    model: { uri: uriOf(start.model, storage.claimName) },
    storage,
    replicas: 1,
    quantization: generate.quantization,
    parallelSequences: Math.min(generate.concurrency, 64),
  });
  return { apply: [serving], remove: [], ready: isReady(existing), gone: false };
}

function dataStatus({
  path,
  digest,
  rows,
  turns,
  dropped,
}: GenerateResult): NonNullable<StageStatus['data']> {
  return { path, digest, rows, turns, dropped };
}

function checkpointStatus(trained: TrainResult, verified: boolean): NonNullable<StageStatus['checkpoint']> {
  const { checkpoint, digest, steps, rows, loss, rewardMargin, rewardAccuracy, peakMemoryBytes } = trained;
  return {
    path: checkpoint,
    digest,
    step: steps,
    rows,
    loss,
    rewardMargin,
    rewardAccuracy,
    peakMemoryBytes,
    verified,
  };
}
