/** longpo status [NAME]: what a run has done so far, read from its state on disk; works while it runs. */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { LongPOTraining } from '@longpo/api';
import { trainingType } from '@longpo/controller';
import { UserError } from '../errors.ts';
import { renderStatus } from '../live/summary.ts';
import { ObjectStore } from '../local-cluster/object-store.ts';
import { asTraining } from '../run/training-run.ts';

export function readTrainings(state: string, name: string | undefined): LongPOTraining[] {
  const root = resolve(state);
  const folders = existsSync(root)
    ? readdirSync(root).filter((entry) => existsSync(join(root, entry, 'objects')))
    : [];
  const wanted = name === undefined ? folders.filter((folder) => !folder.includes('.')) : [name];
  const trainings = wanted.flatMap((folder) =>
    existsSync(join(root, folder, 'objects'))
      ? new ObjectStore(join(root, folder, 'objects')).list(trainingType)
      : [],
  );
  if (trainings.length === 0)
    throw new UserError(
      'RUN_NOT_FOUND',
      `${join(root, name ?? '')}: no run here; known: ${folders.join(', ') || 'none'}`,
    );
  return trainings.map(asTraining);
}

export function status(name: string | undefined, options: { state: string; json: boolean }): void {
  const trainings = readTrainings(options.state, name);
  const text = options.json ? JSON.stringify(trainings, null, 2) : trainings.map(renderStatus).join('\n\n');
  process.stdout.write(`${text}\n`);
}
