/** decide for LongPOServing: what it owns, and whether it answers. Pure. */
import {
  conditionOf,
  conditionTypes,
  desiredHashAnnotation,
  type LongPOServing,
  type LongPOServingStatus,
  reasons,
} from '@longpo/api';
import { disruptionBudgets, isBeingDeleted } from '../../cluster.ts';
import {
  buildServingDeployment,
  buildServingService,
  type DeploymentResource,
  servingSelector,
  servingUrl,
} from '../../objects/serving.ts';
import {
  buildDisruptionBudget,
  buildNetworkPolicy,
  wantsDisruptionBudget,
} from '../../objects/serving-guards.ts';
import { type ConditionWish, settleConditions } from '../../policies/condition.ts';
import type { Settings } from '../../settings.ts';
import type { Plan, Removal } from '../plan.ts';
import type { ObservedServing } from './observe.ts';
import { type PodTrouble, troubleOf } from './pod-trouble.ts';

export function decideServing(subject: ObservedServing, settings: Settings, now: Date): Plan {
  const { serving, owner } = subject;
  const deployment = buildServingDeployment(serving, owner, settings.images);
  const guards = wantsDisruptionBudget(serving.spec.replicas) ? [buildDisruptionBudget(owner)] : [];
  // The policy comes first: no pod is reachable before it.
  return {
    apply: [buildNetworkPolicy(owner), deployment, buildServingService(owner), ...guards],
    remove: spareDisruptionBudget(subject),
    status: statusOf(subject, deployment, now),
  };
}

function spareDisruptionBudget({ serving, disruptionBudget }: ObservedServing): Removal[] {
  if (disruptionBudget === undefined || isBeingDeleted(disruptionBudget)) return [];
  if (wantsDisruptionBudget(serving.spec.replicas)) return [];
  const { uid, namespace, name } = disruptionBudget.metadata;
  return [{ ...disruptionBudgets, namespace, name, ...(uid !== undefined && { preconditions: { uid } }) }];
}

function statusOf(subject: ObservedServing, wanted: DeploymentResource, now: Date): LongPOServingStatus {
  const { serving, owner, generation, deployment, pods } = subject;
  const rollout = rolloutOf(serving, deployment, wanted);
  const templateHash = wanted.spec?.template.metadata?.annotations?.[desiredHashAnnotation];
  const trouble = rollout.complete ? undefined : troubleOf(pods, templateHash);
  return {
    observedGeneration: generation,
    replicas: deployment?.status?.replicas ?? 0,
    readyReplicas: rollout.ready,
    selector: Object.entries(servingSelector(owner.name))
      .map(([name, value]) => `${name}=${value}`)
      .join(','),
    url: servingUrl(owner.name, owner.namespace),
    conditions: settleConditions(
      [
        readyCondition(rollout, trouble),
        podsReadyCondition(rollout, trouble),
        progressingCondition(rollout),
        {
          type: conditionTypes.resourcesReconciled,
          status: 'True',
          reason: reasons.reconciled,
          message: 'every object is as it should be',
        },
      ],
      serving.status?.conditions,
      generation,
      now,
    ),
  };
}

interface Rollout {
  wanted: number;
  /** Pods that answer, of whatever spec. */
  ready: number;
  /** Pods of this spec that answer. */
  current: number;
  /** Every pod that is wanted is of this spec and answers, and there is no other. */
  complete: boolean;
  /** What the Deployment says once it has waited too long. */
  stalled: string | undefined;
}

/** The Deployment's counts tell of this spec only when it has this spec and its controller has seen that. */
function rolloutOf(
  serving: LongPOServing,
  deployment: DeploymentResource | undefined,
  desired: DeploymentResource,
): Rollout {
  const wanted = serving.spec.replicas;
  const {
    observedGeneration = 0,
    replicas = 0,
    readyReplicas = 0,
    updatedReplicas = 0,
  } = deployment?.status ?? {};
  const hash = (object: DeploymentResource | undefined) =>
    object?.metadata.annotations?.[desiredHashAnnotation];
  const isSeen =
    hash(deployment) === hash(desired) && observedGeneration >= (deployment?.metadata.generation ?? 0);
  const progressing = conditionOf(deployment?.status, 'Progressing');
  return {
    wanted,
    ready: readyReplicas,
    current: isSeen ? Math.min(readyReplicas, updatedReplicas) : 0,
    complete: isSeen && readyReplicas >= wanted && updatedReplicas >= wanted && replicas === updatedReplicas,
    stalled:
      isSeen && progressing?.status === 'False'
        ? (progressing.message ?? progressing.reason ?? '')
        : undefined,
  };
}

const counted = (count: number, { wanted }: Rollout, trouble?: PodTrouble): string =>
  `${count} of ${wanted} replicas answer${trouble ? `; ${trouble.message}` : ''}`;

function readyCondition(rollout: Rollout, trouble: PodTrouble | undefined): ConditionWish {
  const type = conditionTypes.ready;
  if (rollout.wanted === 0)
    return { type, status: 'False', reason: reasons.noPods, message: 'spec.replicas is 0' };
  if (rollout.complete)
    return { type, status: 'True', reason: reasons.available, message: counted(rollout.current, rollout) };
  // A server that ended with a code that a restart cannot mend: its own error says what to do.
  if (trouble?.isFatal)
    return { type, status: 'False', reason: reasons.unavailable, message: trouble.message };
  return {
    type,
    status: 'False',
    reason: reasons.starting,
    message: counted(rollout.current, rollout, trouble),
  };
}

/** Whether anything answers at all; during a rollout that may be pods of the spec before. */
function podsReadyCondition(rollout: Rollout, trouble: PodTrouble | undefined): ConditionWish {
  const { wanted, ready } = rollout;
  const type = conditionTypes.podsReady;
  if (ready > 0 && ready >= wanted)
    return { type, status: 'True', reason: reasons.allPodsReady, message: counted(ready, rollout) };
  if (ready > 0)
    return { type, status: 'True', reason: reasons.available, message: counted(ready, rollout, trouble) };
  if (wanted === 0) return { type, status: 'False', reason: reasons.noPods, message: 'spec.replicas is 0' };
  return { type, status: 'False', reason: reasons.podsPending, message: counted(ready, rollout, trouble) };
}

function progressingCondition({ complete, stalled }: Rollout): ConditionWish {
  const type = conditionTypes.progressing;
  if (complete)
    return {
      type,
      status: 'False',
      reason: reasons.completed,
      message: 'every replica runs this spec',
    };
  if (stalled !== undefined) return { type, status: 'False', reason: reasons.stalled, message: stalled };
  return { type, status: 'True', reason: reasons.advancing, message: 'replicas of this spec are starting' };
}
