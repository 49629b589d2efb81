/** The LongPOServing of the last stage's checkpoint, named like the training. Pure. */
import { type LongPOTrainingStatus, reasons } from '@longpo/api';
import type { Resource } from '../../cluster.ts';
import { buildTrainingServing, servingUrl } from '../../objects/serving.ts';
import type { TerminalFailure } from '../../policies/failure.ts';
import type { Removal } from '../plan.ts';
import { isReady, isRetriedServing, removalOf, servingFailure } from './serving-health.ts';
import { retriedAt, type StageContext, uriOf } from './stage-context.ts';

export interface FinalServing {
  ready: boolean;
  reason: string;
  message: string;
  keep: Resource[];
  remove: Removal[];
  failure?: TerminalFailure;
  status: Pick<LongPOTrainingStatus, 'servingRef' | 'url'>;
}

export function decideFinalServing(context: StageContext, checkpoint: string): FinalServing {
  const { training, owner, observed } = context;
  const { serving, storage, podTemplate, resources, suspend } = training.spec;
  const completed = { reason: reasons.completed, message: 'every stage has a verified checkpoint' };
  const existing = observed.servings.get(owner.name);
  // It may have been wanted before.
  if (!serving.enabled)
    return { ...completed, ready: true, keep: [], remove: removalOf(existing, owner.namespace), status: {} };
  const { enabled: _, ...settings } = serving;
  // Without replicas: whoever scales it, a person or an autoscaler, is not to be corrected.
  const wanted = buildTrainingServing(owner.name, owner, {
    model: { uri: uriOf(checkpoint, storage.claimName) },
    storage: { claimName: storage.claimName },
    podTemplate,
    ...(resources.serve === undefined ? {} : { resources: resources.serve }),
    ...settings,
  });
  const ready = isReady(existing);
  const failure = servingFailure(existing, retriedAt(context));
  const again = isRetriedServing(existing, retriedAt(context));
  // A suspended training starts nothing; what answers already is left alone.
  const waits = again || (suspend && existing === undefined);
  return {
    ...(ready ? completed : { reason: reasons.serving, message: `waiting for LongPOServing ${owner.name}` }),
    ready,
    keep: waits ? [] : [wanted],
    remove: again ? removalOf(existing, owner.namespace) : [],
    ...(failure === undefined ? {} : { failure }),
    status: {
      servingRef: { name: owner.name },
      ...(ready ? { url: servingUrl(owner.name, owner.namespace) } : {}),
    },
  };
}
