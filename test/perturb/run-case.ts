/** One case: a two-stage training under one perturbation, and whether it ended as an undisturbed one does. */
import { isDeepStrictEqual } from 'node:util';
import type { OperatorProcess } from '../operator/operator-process.ts';
import type { Snapshot } from '../operator/snapshot.ts';
import type { World } from '../operator/world.ts';
import { disturb, type Perturbation } from './perturbation.ts';

export interface Outcome {
  end: Snapshot & { runs: string[] };
  /** Whether the point of the perturbation came by. */
  happened: boolean;
  events: string[];
  writes: number;
}

export async function runCase(world: World, namespace: string, perturbation: Perturbation): Promise<Outcome> {
  let operators: OperatorProcess[] = [];
  const disturbance = disturb(perturbation, async () => {
    const [operator] = operators;
    await operator?.kill();
    operator?.start();
  });
  const opened = await world.open({
    namespace,
    hooks: disturbance.hooks,
    operators: perturbation.kind === 'leaders' ? 2 : 1,
    onOperators: (started) => {
      operators = started;
    },
  });
  try {
    await opened.untilFinished();
    await opened.untilQuiet();
    const writes = opened.writes;
    return {
      end: await opened.snapshot(),
      happened: disturbance.happened(),
      events: disturbance.events,
      writes,
    };
  } finally {
    await opened.close();
  }
}

/** What differs from the undisturbed end, one line each; nothing when all is well. */
export function differences(end: Outcome['end'], undisturbed: Outcome['end']): string[] {
  const lists = (['objects', 'orphans', 'runs'] as const).flatMap((part) => [
    ...end[part]
      .filter((line) => !undisturbed[part].includes(line))
      .map((line) => `${part}: unexpected ${line}`),
    ...undisturbed[part]
      .filter((line) => !end[part].includes(line))
      .map((line) => `${part}: missing ${line}`),
    ...(end[part].length === undisturbed[part].length
      ? []
      : [`${part}: ${end[part].length} instead of ${undisturbed[part].length}`]),
  ]);
  if (isDeepStrictEqual(end.status, undisturbed.status)) return lists;
  return [...lists, `status: ${JSON.stringify(end.status)} instead of ${JSON.stringify(undisturbed.status)}`];
}
