/** Every case that an undisturbed run gives rise to. Pure. */
import type { Perturbation } from './perturbation.ts';
import type { Outcome } from './run-case.ts';

export function casesOf({ writes, events }: Outcome): Perturbation[] {
  return [
    { kind: 'leaders' },
    ...Array.from({ length: writes }, (_, n): Perturbation => ({ kind: 'kill', write: n + 1 })),
    ...[...new Set(events)].flatMap((event): Perturbation[] => [
      { kind: 'stale', event },
      { kind: 'hide', event },
    ]),
  ];
}
