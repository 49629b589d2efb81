/** decide: (training, what is there, now) -> what should be. Pure: no client, no clock, no env. */
import {
  type Condition,
  conditionTypes,
  type LongPOTrainingStatus,
  type Reason,
  reasons,
  type StageStatus,
} from '@longpo/api';
import { type Resource, type ResourceRef, refOf } from '../../cluster.ts';
import { buildTrainingServing, servingUrl } from '../../objects/serving.ts';
import { claimOf } from '../../objects/uri.ts';
import { settleConditions } from '../../policies/condition.ts';
import type { TerminalFailure } from '../../policies/failure.ts';
import { shapeProblems } from '../../policies/shape.ts';
import type { Settings } from '../../settings.ts';
import type { ObservedTraining } from '../observe.ts';
import type { Plan } from '../plan.ts';
import {
  decideStage,
  isReady,
  isRetriedServing,
  retriedAt,
  type StageDecision,
  servingFailure,
  uriOf,
} from './stage.ts';
import { fetchJob, type JobContext } from './stage-jobs.ts';
import { stepOf } from './step.ts';

interface Progress {
  state: NonNullable<LongPOTrainingStatus['state']>;
  reason: Reason;
  message: string;
  failure?: TerminalFailure;
  apply: Resource[];
  remove: ResourceRef[];
  status: Pick<LongPOTrainingStatus, 'model' | 'currentStage' | 'servingRef' | 'url'>;
  stages: StageStatus[];
}

const stateReasons = {
  Pending: reasons.pending,
  Generating: reasons.generating,
  Training: reasons.training,
  Verifying: reasons.verifying,
} as const;

export function decideTraining(subject: ObservedTraining, settings: Settings, now: Date): Plan {
  const context: JobContext = { training: subject.training, owner: subject.owner, settings };
  const progress = advance(context, subject);
  const { generation } = subject;
  const failed = progress.failure;
  const done = progress.state === 'Succeeded';
  const planned = progress.status.model !== undefined;
  const status: LongPOTrainingStatus = {
    observedGeneration: generation,
    state: failed ? 'Failed' : progress.state,
    ...progress.status,
    conditions: settleConditions(
      [
        {
          type: conditionTypes.succeeded,
          status: failed ? 'False' : done ? 'True' : 'Unknown',
          reason: failed?.reason ?? progress.reason,
          message: failed?.message ?? progress.message,
        },
        failed?.reason === reasons.planInvalid
          ? { type: conditionTypes.planned, status: 'False', reason: failed.reason, message: failed.message }
          : {
              type: conditionTypes.planned,
              status: planned ? 'True' : 'Unknown',
              reason: planned ? reasons.planFits : reasons.fetching,
              message: planned
                ? 'the model can be split as the stages ask'
                : 'the model has not been read yet',
            },
      ],
      conditionsBefore(context, now),
      generation,
      now,
    ),
    stages: progress.stages,
  };
  return { apply: failed ? [] : progress.apply, remove: progress.remove, status };
}

/** A failure that outlasts a retry has happened again: who asked for it must see that it was looked at again. */
function conditionsBefore(context: JobContext, now: Date): Condition[] | undefined {
  const asked = Date.parse(retriedAt(context) ?? '');
  const isOutlived = ({ type, status, lastTransitionTime }: Condition) =>
    type === conditionTypes.succeeded && status === 'False' && Date.parse(lastTransitionTime) < asked;
  const before = context.training.status?.conditions;
  return asked <= now.getTime() ? before?.filter((condition) => !isOutlived(condition)) : before;
}

function advance(context: JobContext, { observed, training }: ObservedTraining): Progress {
  const { spec } = training;
  const pending = spec.stages.map(
    (stage): StageStatus => ({ name: stage.name, state: 'Pending', attempt: 1, restarts: 0 }),
  );
  const nothing = { apply: [], remove: [], status: {}, stages: pending };
  const problem = claimProblem(context);
  if (problem)
    return {
      ...nothing,
      state: 'Failed',
      reason: problem.reason,
      message: problem.message,
      failure: problem,
    };

  const fetched = stepOf('fetch', observed.jobs, retriedAt(context), (attempt) => [
    fetchJob(context, attempt),
  ]);
  if (fetched.state !== 'done') {
    const failure = fetched.state === 'failed' ? { failure: fetched.failure } : {};
    const apply = fetched.state === 'wanted' ? fetched.apply : [];
    return {
      ...nothing,
      ...failure,
      apply,
      state: 'Fetching',
      reason: reasons.fetching,
      message: spec.model.uri,
    };
  }
  const { path, digest, model } = fetched.result;
  const status = { model: { path, digest, facts: model } };
  const problems = shapeProblems(spec, model);
  if (problems.length > 0) {
    const failure = { reason: reasons.planInvalid, message: problems.join('; ') };
    return { ...nothing, status, state: 'Failed', reason: failure.reason, message: failure.message, failure };
  }
  return advanceStages(context, { observed, pending, status, start: { model: path, digest } });
}

interface StagesInput {
  observed: ObservedTraining['observed'];
  pending: StageStatus[];
  status: Progress['status'];
  start: { model: string; digest: string };
}

function advanceStages(context: JobContext, { observed, pending, status, start }: StagesInput): Progress {
  const stages = [...pending];
  let from = start;
  let last: StageDecision['finished'];
  for (const [i, stage] of context.training.spec.stages.entries()) {
    const decision = decideStage(context, observed, stage, from);
    stages[i] = decision.status;
    if (decision.finished === undefined) {
      const { state } = decision.status;
      return {
        state: state === 'Failed' || state === 'Succeeded' ? 'Pending' : state,
        reason: state === 'Failed' || state === 'Succeeded' ? reasons.pending : stateReasons[state],
        message: `stage ${stage.name}`,
        ...(decision.failure === undefined ? {} : { failure: decision.failure }),
        apply: decision.apply,
        remove: decision.remove,
        status: { ...status, currentStage: stage.name },
        stages,
      };
    }
    from = decision.finished.next;
    last = decision.finished;
  }
  return serveLast(context, observed, { stages, status, checkpoint: last?.checkpoint ?? from.model });
}

function serveLast(
  context: JobContext,
  observed: ObservedTraining['observed'],
  { stages, status, checkpoint }: { stages: StageStatus[]; status: Progress['status']; checkpoint: string },
): Progress {
  const { training, owner } = context;
  const { serving, storage } = training.spec;
  const finished = {
    remove: [],
    stages,
    reason: reasons.completed,
    message: 'every stage has a verified checkpoint',
  };
  if (!serving.enabled) return { ...finished, state: 'Succeeded', apply: [], status };
  const { enabled: _, ...settings } = serving;
  const wanted = buildTrainingServing(owner.name, owner, {
    model: { uri: uriOf(checkpoint, storage.claimName) },
    storage,
    replicas: 1,
    ...settings,
  });
  const existing = observed.servings.get(owner.name);
  const ready = isReady(existing);
  const failure = servingFailure(existing, retriedAt(context));
  const again = isRetriedServing(existing, retriedAt(context));
  return {
    ...finished,
    ...(failure === undefined ? {} : { failure }),
    ...(ready ? {} : { reason: reasons.serving, message: `waiting for LongPOServing ${owner.name}` }),
    state: ready ? 'Succeeded' : 'Serving',
    apply: again ? [] : [wanted],
    remove: again ? [refOf(wanted)] : [],
    status: {
      ...status,
      servingRef: { name: owner.name },
      ...(ready ? { url: servingUrl(owner.name, owner.namespace) } : {}),
    },
  };
}

/** Pods mount one claim; a URI that names another would silently read the wrong volume. */
function claimProblem({ training: { spec } }: JobContext): TerminalFailure | undefined {
  const fields: [field: string, uri: string | undefined][] = [
    ['spec.model.uri', spec.model.uri],
    ['spec.documents.uri', spec.documents?.uri],
    ...spec.stages.map((stage, i): [string, string | undefined] => [
      `spec.stages[${i}].preferences.uri`,
      stage.preferences?.uri,
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
