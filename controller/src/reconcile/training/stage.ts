/**
 * One stage: data, train, verify, each a Job. Rebuilt from the children, so a controller that starts in the middle of
 * a stage goes on where its children are. Pure.
 */
import { exitCodes, type StageStatus, type TrainingStage } from '@longpo/api';
import type { Resource } from '../../cluster.ts';
import { jobName } from '../../objects/names.ts';
import { type AttemptHistory, isRetried } from '../../policies/attempt.ts';
import type { TerminalFailure } from '../../policies/failure.ts';
import type { JobView } from '../job-view.ts';
import type { Removal } from '../plan.ts';
import { historyOf, retriedAt, type StageContext, stageBefore } from './stage-context.ts';
import { decideData } from './stage-data.ts';
import { checkpointStatus, jobsOf, stageFacts } from './stage-facts.ts';
import { type BatchRole, type FinishedStage, type StageStart, trainJob, verifyJob } from './stage-jobs.ts';
import { type Step, stepOf } from './step.ts';

export interface StageDecision {
  status: StageStatus;
  /** Wanted as long as the stage is at this step. */
  keep: Resource[];
  /** To be made when nothing else of the training runs. */
  start: Resource[];
  remove: Removal[];
  failure?: TerminalFailure;
  /** The Job of the current step. */
  current?: JobView;
  /** Set once the checkpoint is verified: what the next stage starts from, and what is served. */
  finished?: FinishedStage;
}

const states = { generate: 'Generating', train: 'Training', verify: 'Verifying' } as const;
type StageRole = keyof typeof states;

export function decideStage(
  context: StageContext,
  stage: TrainingStage,
  start: StageStart,
  before: FinishedStage | undefined,
): StageDecision {
  const jobs = jobsOf(context, stage.name);
  const remembered = finishedBefore(stageBefore(context, stage.name), jobs);
  if (remembered !== undefined) return remembered;
  const source = decideData(context, stage, start);
  if (source.state === 'generating') {
    const { step, data, keep, start: starting, remove, failure } = source;
    const decision = atStep(context, stage, 'generate', step, { ...(data && { data }) }, failure);
    return { ...decision, keep, start: starting, remove };
  }
  const { data, attempt: first } = source;
  const build = (attempt: number) => trainJob(context, stage, attempt, start, data.path);
  const train = stepOf('train', jobs, { ...trainHistory(context, stage.name), first }, build);
  if (train.state !== 'done') {
    // Without their Service the ranks would not find each other again after a restart.
    const keep =
      train.state === 'running' ? build(train.attempt).filter(({ kind }) => kind === 'Service') : [];
    return { ...atStep(context, stage, 'train', train, { data }), keep };
  }
  const trained = train.result;
  const history = { ...historyOf(context, stage.name, 'verify'), first: train.attempt };
  const verify = stepOf('verify', jobs, history, (attempt) => [
    verifyJob(context, stage, attempt, trained, before),
  ]);
  const checkpoint = checkpointStatus(trained, verify.state === 'done');
  const decision = atStep(context, stage, 'verify', verify, { data, checkpoint });
  return verify.state === 'done' ? { ...decision, finished: { name: stage.name, trained } } : decision;
}

/**
 * A stage that was verified stays so when its Jobs, or the pods with what they told, are gone: its weights may have been
 * removed since, and the next stage has begun from them.
 */
function finishedBefore(before: StageStatus | undefined, jobs: JobView[]): StageDecision | undefined {
  const { checkpoint } = before ?? {};
  if (before?.state !== 'Succeeded' || !checkpoint?.master || !checkpoint.masterDigest) return undefined;
  const tells = (role: BatchRole) =>
    jobs.some((job) => job.role === role && job.result?.[role] !== undefined);
  if ((tells('train') && tells('verify')) || jobs.some(({ state }) => state === 'Running')) return undefined;
  const { progress: _, ...status } = before;
  const { path, master, masterDigest } = checkpoint;
  const finished = { name: before.name, trained: { checkpoint: path, master, masterDigest } };
  return { status, keep: [], start: [], remove: [], finished };
}

/** A checkpoint that is not what its digest says is trained again when the user asks to try again, not only read again. */
function trainHistory(context: StageContext, stage: string): AttemptHistory {
  const history = historyOf(context, stage, 'train');
  const newest = (role: BatchRole) =>
    jobsOf(context, stage)
      .filter((job) => job.role === role)
      .toSorted((a, b) => a.attempt - b.attempt)
      .at(-1);
  const [train, verify] = [newest('train'), newest('verify')];
  const isMismatch = verify?.state === 'Failed' && verify.lastFailure?.exitCode === exitCodes.mismatch;
  if (!isMismatch || train?.state !== 'Complete' || !isRetried(verify, retriedAt(context))) return history;
  // Trained since then: it is to be verified now.
  if (Date.parse(train.finishedAt ?? '') > Date.parse(verify.finishedAt ?? '')) return history;
  return { ...history, seen: Math.max(train.attempt + 1, verify.attempt) };
}

function atStep(
  context: StageContext,
  stage: TrainingStage,
  role: StageRole,
  step: Step<StageRole>,
  made: Pick<StageStatus, 'data' | 'checkpoint'>,
  otherFailure?: TerminalFailure,
): StageDecision {
  const failure = step.state === 'failed' ? step.failure : otherFailure;
  const isDone = role === 'verify' && step.state === 'done';
  const endedAt = isDone || step.state === 'failed' ? step.job?.finishedAt : undefined;
  return {
    status: {
      ...stageFacts(context, stage.name, endedAt),
      ...made,
      state: failure ? 'Failed' : isDone ? 'Succeeded' : states[role],
      attempt: step.attempt,
      jobName: jobName(context.owner.name, stage.name, role, step.attempt),
    },
    keep: [],
    start: step.state === 'wanted' ? step.start : [],
    remove: [],
    ...(failure === undefined ? {} : { failure }),
    ...(step.job === undefined ? {} : { current: step.job }),
  };
}
