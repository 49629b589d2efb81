/** How far a training has come, and what the next step needs: fetch, then stage after stage, then serving. Pure. */
import { type LongPOTrainingStatus, reasons, type StageStatus } from '@longpo/api';
import type { Resource } from '../../cluster.ts';
import { claimOf } from '../../objects/uri.ts';
import type { TerminalFailure } from '../../policies/failure.ts';
import { shapeProblems } from '../../policies/shape.ts';
import type { JobView } from '../job-view.ts';
import type { Removal } from '../plan.ts';
import { decideFinalServing } from './final-serving.ts';
import { decideStage } from './stage.ts';
import { retriedAt, type StageContext } from './stage-context.ts';
import { hasAnswer } from './stage-facts.ts';
import { type FinishedStage, fetchJob, type JobContext, type StageStart } from './stage-jobs.ts';
import { stepOf } from './step.ts';

export interface Progress {
  state: NonNullable<LongPOTrainingStatus['state']>;
  reason: string;
  message: string;
  failure?: TerminalFailure;
  /** Wanted now and kept as they are; to be made when nothing else of the training runs; to go. */
  keep: Resource[];
  start: Resource[];
  remove: Removal[];
  /** The Job of the current step. */
  current?: JobView;
  status: Pick<LongPOTrainingStatus, 'model' | 'currentStage' | 'servingRef' | 'url'>;
  stages: StageStatus[];
}

const stateReasons = {
  Generating: reasons.generating,
  Training: reasons.training,
  Verifying: reasons.verifying,
} as const;

const idle = { keep: [], start: [], remove: [] };

export function advance(context: StageContext): Progress {
  const { spec } = context.training;
  const stages = spec.stages.map(
    (stage): StageStatus => ({ name: stage.name, state: 'Pending', attempt: 1, restarts: 0 }),
  );
  const failed = (failure: TerminalFailure, status: Progress['status'] = {}): Progress => ({
    ...idle,
    ...failure,
    state: 'Failed',
    failure,
    status,
    stages,
  });
  const problem = claimProblem(context);
  if (problem) return failed(problem);

  const history = { retriedAt: retriedAt(context) };
  const fetched = stepOf('fetch', context.observed.jobs, history, (attempt) => [fetchJob(context, attempt)]);
  const model = fetched.state === 'done' ? modelStatus(fetched.result) : modelBefore(context);
  if (model === undefined) {
    return {
      ...idle,
      ...(fetched.state === 'failed' ? { failure: fetched.failure } : {}),
      ...(fetched.job === undefined ? {} : { current: fetched.job }),
      start: fetched.state === 'wanted' ? fetched.start : [],
      state: 'Fetching',
      reason: reasons.fetching,
      message: spec.model.uri,
      status: {},
      stages,
    };
  }
  const problems = shapeProblems(spec, model.facts);
  if (problems.length > 0)
    return failed({ reason: reasons.planInvalid, message: problems.join('; ') }, { model });
  return advanceStages(context, stages, { model }, { model: model.path, digest: model.digest });
}

type Model = NonNullable<LongPOTrainingStatus['model']>;

const modelStatus = (result: { path: string; digest: string; model: Model['facts'] }): Model => ({
  path: result.path,
  digest: result.digest,
  facts: result.model,
});

/** Once a stage has begun the model was read, also when somebody deletes the Job that read it or that Job's pod. */
function modelBefore({ observed, training }: StageContext): Model | undefined {
  const isThere = observed.jobs.some((job) => job.role === 'fetch' && hasAnswer(job));
  const hasBegun = observed.jobs.some(({ stage }) => stage !== '');
  return hasBegun && !isThere ? training.status?.model : undefined;
}

function advanceStages(
  context: StageContext,
  pending: StageStatus[],
  status: Progress['status'],
  first: StageStart,
): Progress {
  const stages = [...pending];
  let from = first;
  let before: FinishedStage | undefined;
  for (const [i, stage] of context.training.spec.stages.entries()) {
    const decision = decideStage(context, stage, from, before);
    stages[i] = decision.status;
    if (decision.finished === undefined) {
      const { status: own, finished: _, ...rest } = decision;
      const state = own.state === 'Failed' || own.state === 'Succeeded' ? 'Pending' : own.state;
      return {
        ...rest,
        state,
        reason: state === 'Pending' ? reasons.pending : stateReasons[state],
        message: `stage ${stage.name}`,
        status: { ...status, currentStage: stage.name },
        stages,
      };
    }
    before = decision.finished;
    from = { model: before.trained.master, digest: before.trained.masterDigest };
  }
  return serve(context, before?.trained.checkpoint ?? from.model, status, stages);
}

function serve(
  context: StageContext,
  checkpoint: string,
  status: Progress['status'],
  stages: StageStatus[],
): Progress {
  const { ready, status: own, ...serving } = decideFinalServing(context, checkpoint);
  return {
    ...serving,
    start: [],
    state: ready ? 'Succeeded' : 'Serving',
    status: { ...status, ...own },
    stages,
  };
}

/** Succeeded stays so for its generation, whatever becomes of the serving or of Jobs that somebody deletes. */
export function settled(context: StageContext): Progress | undefined {
  const { status, spec } = context.training;
  const checkpoint = status?.stages?.find(({ name }) => name === spec.stages.at(-1)?.name)?.checkpoint?.path;
  if (status?.stages === undefined || checkpoint === undefined) return undefined;
  const stages = status.stages.map(({ progress: _, ...stage }) => stage);
  const { failure: _, ...kept } = serve(context, checkpoint, {}, stages);
  return {
    ...kept,
    state: 'Succeeded',
    reason: reasons.completed,
    message: 'every stage has a verified checkpoint',
    status: {
      ...(status.model === undefined ? {} : { model: status.model }),
      ...(status.servingRef === undefined ? {} : { servingRef: status.servingRef }),
      ...(status.url === undefined ? {} : { url: status.url }),
    },
  };
}

/** Pods mount one claim; a URI that names another would silently read the wrong volume. */
function claimProblem({ training: { spec } }: JobContext): TerminalFailure | undefined {
  const fields: [field: string, uri: string | undefined][] = [
    ['spec.model.uri', spec.model.uri],
    ['spec.documents.uri', spec.documents?.uri],
    ...spec.stages.flatMap(({ preferences }, i): [string, string | undefined][] => [
      [`spec.stages[${i}].preferences.uri`, preferences?.uri],
      [`spec.stages[${i}].preferences.evalUri`, preferences?.evalUri],
    ]),
  ];
  for (const [field, uri] of fields) {
    const claim = uri === undefined ? undefined : claimOf(uri);
    if (claim !== undefined && claim !== spec.storage.claimName)
      return {
        reason: reasons.planInvalid,
        message: `${field} names the claim "${claim}", but the pods mount spec.storage.claimName "${spec.storage.claimName}": use the same`,
      };
  }
  return undefined;
}
