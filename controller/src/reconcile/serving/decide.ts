/** decide for LongPOServing: a Deployment and a Service, and whether it answers. Pure. */
import {
  conditionTypes,
  fatalExitCodes,
  type LongPOServing,
  type LongPOServingStatus,
  reasons,
} from '@longpo/api';
import type { Owner } from '../../objects/ownership.ts';
import {
  buildServingDeployment,
  buildServingService,
  type DeploymentResource,
  servingUrl,
} from '../../objects/serving.ts';
import { settleConditions } from '../../policies/condition.ts';
import type { Settings } from '../../settings.ts';
import { type PodResource, parseTerminationMessage } from '../job-view.ts';
import type { Plan } from '../plan.ts';

export interface ObservedServing {
  serving: LongPOServing;
  owner: Owner;
  generation: number;
  deployment: DeploymentResource | undefined;
  pods: PodResource[];
}

/** A server that ended with a code that a restart cannot mend: its own error says what to do. */
function fatalError(pods: PodResource[]): string | undefined {
  for (const pod of pods) {
    const status = pod.status?.containerStatuses?.[0];
    const ended = status?.state?.terminated ?? status?.lastState?.terminated;
    if (ended === undefined || !fatalExitCodes.some((code) => code === ended.exitCode)) continue;
    const error = parseTerminationMessage(ended.message)?.error;
    return error ? `[${error.code}] ${error.message}` : `the server ended with exit code ${ended.exitCode}`;
  }
  return undefined;
}

/** Replicas that answer with the Deployment as it is now: until its controller has seen a change, its counts are old. */
function readyReplicas(deployment: DeploymentResource | undefined): number {
  const { observedGeneration = 0, readyReplicas: ready = 0 } = deployment?.status ?? {};
  return observedGeneration >= (deployment?.metadata.generation ?? 0) ? ready : 0;
}

export function decideServing(subject: ObservedServing, settings: Settings, now: Date): Plan {
  const { serving, owner, generation, deployment, pods } = subject;
  const ready = readyReplicas(deployment);
  const wanted = serving.spec.replicas;
  const available = wanted > 0 && ready >= wanted;
  const failure = available ? undefined : fatalError(pods);
  const status: LongPOServingStatus = {
    observedGeneration: generation,
    replicas: deployment?.status?.replicas ?? 0,
    readyReplicas: ready,
    url: servingUrl(owner.name, owner.namespace),
    conditions: settleConditions(
      [
        {
          type: conditionTypes.ready,
          status: available ? 'True' : 'False',
          reason: available ? reasons.available : failure ? reasons.unavailable : reasons.starting,
          message: failure ?? `${ready} of ${wanted} replicas answer`,
        },
      ],
      serving.status?.conditions,
      generation,
      now,
    ),
  };
  return {
    apply: [buildServingDeployment(serving, owner, settings.images.serve), buildServingService(owner)],
    remove: [],
    status,
  };
}
