/** decide for LongPOServing: a Deployment and a Service, and whether it answers. Pure. */
import { conditionTypes, type LongPOServing, type LongPOServingStatus, reasons } from '@longpo/api';
import type { Owner } from '../../objects/ownership.ts';
import {
  buildServingDeployment,
  buildServingService,
  type DeploymentResource,
  servingUrl,
} from '../../objects/serving.ts';
import { settleConditions } from '../../policies/condition.ts';
import type { Settings } from '../../settings.ts';
import type { Plan } from '../plan.ts';

export interface ObservedServing {
  serving: LongPOServing;
  owner: Owner;
  generation: number;
  deployment: DeploymentResource | undefined;
}

export function decideServing(subject: ObservedServing, settings: Settings, now: Date): Plan {
  const { serving, owner, generation, deployment } = subject;
  const ready = deployment?.status?.readyReplicas ?? 0;
  const wanted = serving.spec.replicas;
  const available = wanted > 0 && ready >= wanted;
  const failure = deployment?.status?.conditions?.find(
    ({ type, status }) => type === 'Progressing' && status === 'False',
  );
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
          message: available
            ? `${ready} of ${wanted} replicas answer`
            : (failure?.message ?? `${ready} of ${wanted} replicas answer`),
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
