/** longpo logs STAGE [-f]: the log files of a stage's pods, oldest first. */
import { createReadStream, existsSync, readdirSync, statSync, watch } from 'node:fs';
import { join, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { UserError } from '../errors.ts';
import { readTrainings } from './status.ts';

export interface LogsOptions {
  state: string;
  name?: string;
  follow: boolean;
}

/** Log files of `<training>-<stage>-...`, or of the training's own server and fetch with their role's name. */
function filesOf(folder: string, training: string, stage: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const wanted =
    stage === 'serve' ? new RegExp(`^${training}-[0-9a-f]{8}-`) : new RegExp(`^${training}-${stage}-`);
  return names
    .filter((name) => wanted.test(name))
    .map((name) => join(folder, name))
    .toSorted((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
}

async function copy(file: string, from: number): Promise<number> {
  const stream = createReadStream(file, { start: from });
  stream.pipe(process.stdout, { end: false });
  await finished(stream);
  return from + stream.bytesRead;
}

export async function logs(stage: string, options: LogsOptions): Promise<void> {
  const [training] = readTrainings(options.state, options.name);
  const name = training?.metadata.name ?? '';
  const folder = join(resolve(options.state), name, 'logs');
  const known = ['fetch', ...(training?.spec.stages.map((s) => s.name) ?? []), 'serve'];
  if (!known.includes(stage))
    throw new UserError(
      'STAGE_NOT_FOUND',
      `${stage}: ${name} has no such stage; use one of ${known.join(', ')}`,
    );
  const offsets = new Map<string, number>();
  const print = async () => {
    for (const file of filesOf(folder, name, stage)) {
      if (!offsets.has(file)) process.stdout.write(`==> ${file} <==\n`);
      offsets.set(file, await copy(file, offsets.get(file) ?? 0));
    }
  };
  await print();
  if (!options.follow) return;
  let printing = Promise.resolve();
  watch(folder, () => {
    printing = printing.then(print);
  });
}
