/** One training on the local cluster: applied, watched until it ends, stopped cleanly. */
import { existsSync, renameSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { conditionOf, conditionTypes, type LongPOTraining, longpoTraining } from '@longpo/api';
import {
  type Cluster,
  fieldManagers,
  type Resource,
  refOf,
  retryAnnotation,
  trainingType,
} from '@longpo/controller';
import { UserError } from '../errors.ts';

export type TrainingOutcome = { training: LongPOTraining } & (
  | { state: 'succeeded'; url: string | undefined }
  | { state: 'failed'; reason: string; message: string }
);

/** The controller writes nothing that its own schema refuses, so a parse error here is a bug. */
export function asTraining(object: Resource): LongPOTraining {
  return longpoTraining.parse(object);
}

function outcomeOf(training: LongPOTraining): TrainingOutcome | undefined {
  const succeeded = conditionOf(training.status, conditionTypes.succeeded);
  if (succeeded?.status === 'True') return { training, state: 'succeeded', url: training.status?.url };
  if (succeeded?.status !== 'False') return undefined;
  return { training, state: 'failed', reason: succeeded.reason, message: succeeded.message };
}

/** Moves an earlier run aside; nothing of it is lost. */
export function setAside(stateFolder: string, now: Date): string | undefined {
  if (!existsSync(stateFolder)) return undefined;
  const target = `${stateFolder}.${now.toISOString().replaceAll(/[:.]/g, '-')}`;
  renameSync(stateFolder, target);
  return target;
}

function changedFields(before: unknown, after: unknown, path: string): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null;
  if (!isObject(before) || !isObject(after) || Array.isArray(before) !== Array.isArray(after)) return [path];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) =>
    changedFields(before[key], after[key], Array.isArray(after) ? `${path}[${key}]` : `${path}.${key}`),
  );
}

/**
 * Applies the training. One that was started from another spec is refused, since its finished stages belong to that
 * spec; one that failed is tried again.
 */
export async function applyTraining(cluster: Cluster, training: LongPOTraining, now: Date): Promise<void> {
  const wanted = asResource(training);
  const current = await cluster.get(refOf(wanted));
  if (current === undefined) return cluster.apply(wanted, fieldManagers.controller);
  const before = asTraining(current);
  const changed = changedFields(before.spec, training.spec, 'spec');
  if (changed.length > 0)
    throw new UserError(
      'MANIFEST_CHANGED',
      `${training.metadata.name} was started with another manifest (${changed.slice(0, 5).join(', ')}): ` +
        'give it another metadata.name, or start over with --fresh (the earlier run is kept aside)',
    );
  const retried = outcomeOf(before)?.state === 'failed' ? { [retryAnnotation]: now.toISOString() } : {};
  const annotations = { ...training.metadata.annotations, ...retried };
  return cluster.apply(
    { ...wanted, metadata: { ...wanted.metadata, annotations } },
    fieldManagers.controller,
  );
}

function asResource({ metadata, ...training }: LongPOTraining): Resource {
  const { annotations = {}, namespace = 'default', name } = metadata;
  return { ...training, metadata: { name, namespace, annotations } };
}

/** Resolves once the training has ended after `since`; `onChange` sees every state on the way. */
export async function watchTraining(
  cluster: Cluster,
  name: string,
  onChange: (training: LongPOTraining) => void,
): Promise<TrainingOutcome> {
  const { promise, resolve } = Promise.withResolvers<TrainingOutcome>();
  const end = await cluster.watch(trainingType, ({ object }) => {
    if (object.metadata.name !== name) return;
    const training = asTraining(object);
    onChange(training);
    const outcome = outcomeOf(training);
    // A failure that the user asked to retry stays in the status until the controller has looked again.
    if (outcome && !(outcome.state === 'failed' && isRetryPending(training))) resolve(outcome);
  });
  return promise.finally(end);
}

function isRetryPending(training: LongPOTraining): boolean {
  const retriedAt = training.metadata.annotations?.[retryAnnotation];
  const failedAt = conditionOf(training.status, conditionTypes.succeeded)?.lastTransitionTime;
  return retriedAt !== undefined && failedAt !== undefined && Date.parse(failedAt) < Date.parse(retriedAt);
}
