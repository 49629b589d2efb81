import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PodEnd, SimulatedWorld } from '../../fixture/simulated-world.ts';
import { comeToRest, everybody } from '../../fixture/world-at-rest.ts';

/** Something that happens; numbers choose among what is there. */
type Happening =
  | { what: 'reconcile'; behind: number; writes: number }
  | { what: 'job'; which: number }
  | { what: 'serving'; which: number }
  | { what: 'delete job'; which: number }
  | { what: 'pod'; which: number; end: PodEnd }
  | { what: 'collect' }
  | { what: 'round' }
  | { what: 'suspend'; suspend: boolean };

const which = fc.nat(7);
const ends: PodEnd[] = ['succeeds', 'succeeds', 'crashes', 'asks to be started again', 'is evicted'];
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('reconcile' as const),
      behind: fc.oneof(fc.constant(0), fc.nat(30)),
      writes: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 2 })),
    }),
  },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('job' as const), which }) },
  {
    weight: 4,
    arbitrary: fc.record({ what: fc.constant('pod' as const), which, end: fc.constantFrom(...ends) }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('serving' as const), which }) },
  { weight: 2, arbitrary: fc.constant({ what: 'collect' as const }) },
  { weight: 4, arbitrary: fc.constant({ what: 'round' as const }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('delete job' as const), which }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('suspend' as const), suspend: fc.boolean() }) },
);

const pick = <T>(items: T[], index: number): T | undefined => items[index % Math.max(items.length, 1)];

async function happen(world: SimulatedWorld, event: Happening): Promise<void> {
  if (event.what === 'reconcile') return world.reconcile(event.behind, event.writes);
  // Gets a training to its later stages, where there is more to go wrong.
  if (event.what === 'round') return everybody(world);
  change(world, event);
  world.happened();
}

function change(world: SimulatedWorld, event: Exclude<Happening, { what: 'reconcile' | 'round' }>): void {
  if (event.what === 'collect') world.collect();
  if (event.what === 'suspend') world.edit({ suspend: event.suspend });
  if (!('which' in event)) return;
  const [job, pod] = [pick(world.jobs(), event.which), pick(world.activePods(), event.which)];
  const serving = pick(world.servings(), event.which);
  if (event.what === 'job' && job) world.syncJob(job);
  if (event.what === 'delete job' && job) world.deleteJob(job);
  if (event.what === 'pod' && pod) world.endPod(pod, event.end);
  if (event.what === 'serving' && serving) world.syncServing(serving);
}

/** What a training comes to, without how long it took and how often it fell. */
function endOf(world: SimulatedWorld): object {
  const { state, url, stages = [], conditions = [] } = world.status;
  return {
    state,
    url,
    conditions: conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
    stages: stages.map(({ name, state: stage, attempt, data, checkpoint, jobName }) => ({
      name,
      stage,
      attempt,
      // Its counts are lost when the Job that has them is deleted before a status was written: nobody else has them.
      data: data?.path,
      checkpoint,
      jobName,
    })),
    servings: world.servings().map(({ metadata }) => metadata.name),
    unfinished: world
      .jobs()
      .filter(({ status }) => !status?.conditions?.some(({ type }) => type === 'Complete'))
      .map(({ metadata }) => metadata.name),
    pods: world.activePods().length,
  };
}

describe('decide, whatever is seen in whatever order', () => {
  it('ends in the same state: no Job is made twice, two never run at once, attempts never go back', async () => {
    const calm = new SimulatedWorld();
    await comeToRest(calm);
    expect(calm.status.state).toBe('Succeeded');
    const property = fc.asyncProperty(
      fc.array(happening, { maxLength: 120, size: 'max' }),
      async (events) => {
        const world = new SimulatedWorld();
        for (const event of events) await happen(world, event);
        world.edit({ suspend: false });
        await comeToRest(world);
        expect({ ...endOf(world), broken: world.broken }).toEqual({ ...endOf(calm), broken: [] });
        const written = world.cluster.writes.length;
        for (const behind of [0, 0, 5]) await world.reconcile(behind);
        expect(world.cluster.writes.slice(written)).toEqual([]);
      },
    );
    // Without shrinking, which takes minutes: the seed and path of a failure are printed.
    await fc.assert(property, { numRuns: 40, seed: 20_261_124, endOnFailure: true });
  });
});
