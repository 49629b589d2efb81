/** Which folders nothing needs once a stage's checkpoint is verified. Pure. */
import type { LongPOTrainingSpec, TrainResult } from '@longpo/api';
import { stageDirectory } from '../objects/names.ts';

/**
 * Under Published: the f32 weights and steps of the stage before, which this one started from, and this stage's own
 * steps. Weights that are the published checkpoint themselves (an f32 export) stay.
 */
export function foldersToRemove(
  spec: LongPOTrainingSpec,
  training: string,
  stage: string,
  before: { name: string; trained: Pick<TrainResult, 'master' | 'checkpoint'> } | undefined,
): string[] {
  if (spec.checkpoints.retain === 'All') return [];
  const own = `${stageDirectory(training, stage)}/steps`;
  if (before === undefined) return [own];
  const directory = stageDirectory(training, before.name);
  const isPublished = before.trained.master === before.trained.checkpoint;
  return [...(isPublished ? [] : [`${directory}/master`]), `${directory}/steps`, own];
}
