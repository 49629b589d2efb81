/** Deterministic names: a stale view can only run into "already exists", never make a second child. */
import { createHash } from 'node:crypto';
import { nameLimit, type Role } from '@longpo/api';

/** `<training>-<stage>-<role>-a<attempt>`; fetch belongs to no stage. */
export function jobName(training: string, stage: string | undefined, role: Role, attempt: number): string {
  return [training, stage, role, `a${attempt}`].filter((part) => part !== undefined).join('-');
}

const hashLength = 8;

/** The serving that a stage generates its data with; cut, and told apart by a hash, where a serving's name may not be as long. */
export function generatorServingName(training: string, stage: string): string {
  const name = `${training}-${stage}-gen`;
  if (name.length <= nameLimit) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, hashLength);
  return `${name.slice(0, nameLimit - hashLength - 1).replace(/-+$/, '')}-${hash}`;
}

/** Where a stage keeps its files, below the volume root. */
export const stageDirectory = (training: string, stage: string): string => `${training}/${stage}`;
