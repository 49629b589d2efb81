/** Deterministic names: a stale view can only run into "already exists", never make a second child. */
import type { Role } from '@longpo/api';

/** `<training>-<stage>-<role>-a<attempt>`; fetch belongs to no stage. */
export function jobName(training: string, stage: string | undefined, role: Role, attempt: number): string {
  return [training, stage, role, `a${attempt}`].filter((part) => part !== undefined).join('-');
}

/** The serving that a stage generates its data with. */
export const generatorServingName = (training: string, stage: string): string => `${training}-${stage}-gen`;

/** Where a stage keeps its files, below the volume root. */
export const stageDirectory = (training: string, stage: string): string => `${training}/${stage}`;
