import { endedAnnotation, labels, stalledAtAnnotation } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { SimulatedWorld } from '../../fixture/simulated-world.ts';
import { comeToRest, settle } from '../../fixture/world-at-rest.ts';

type Spec = ConstructorParameters<typeof SimulatedWorld>[0];
type Settle = () => Promise<void>;

interface Story {
  spec?: Spec;
  /** What happens; `settled` lets everybody else come to rest with pods that run. */
  tell(world: SimulatedWorld, settled: Settle): Promise<void>;
}

async function untilItTrains(world: SimulatedWorld, settled: Settle): Promise<void> {
  await settled();
  while (!world.activePods().some(({ metadata }) => metadata.labels?.[labels.role] === 'train')) {
    for (const pod of world.activePods()) world.endPod(pod, 'succeeds');
    await settled();
  }
}

/** With data of the user's own: a short way to the Job that trains. */
const one = { name: 'one', contextLength: 1024, preferences: { uri: '/rows.jsonl' } };
const gang = { ...one, parallelism: { sequence: 2, processesPerPod: 1 } };

const stories: [name: string, story: Story][] = [
  ['runs through', { tell: (_, settled) => settled() }],
  [
    'is suspended and resumed',
    {
      spec: { stages: [one] },
      async tell(world, settled) {
        await untilItTrains(world, settled);
        world.edit({ suspend: true });
        await settled();
        world.pass(10_000);
        world.edit({ suspend: false });
        await settled();
      },
    },
  ],
  [
    'stands still once',
    {
      spec: { stages: [gang], restarts: { stallAfterSeconds: 3600, maxPerStage: 5 } },
      async tell(world, settled) {
        await untilItTrains(world, settled);
        world.pass(4000);
        await settled();
      },
    },
  ],
  [
    'fails once too often',
    {
      spec: { stages: [one], restarts: { maxPerStage: 1 } },
      async tell(world, settled) {
        await untilItTrains(world, settled);
        for (let crash = 0; crash < 2; crash++) {
          for (const pod of world.activePods()) world.endPod(pod, 'crashes');
          await settled();
        }
      },
    },
  ],
  [
    'runs past its deadline',
    {
      spec: { stages: [one], activeDeadlineSeconds: 5000 },
      async tell(world, settled) {
        await untilItTrains(world, settled);
        world.pass(6000);
        await settled();
      },
    },
  ],
  [
    'is given another shape while it trains',
    {
      spec: { stages: [one] },
      async tell(world, settled) {
        await untilItTrains(world, settled);
        world.edit({ stages: [gang] });
        await settled();
      },
    },
  ],
  [
    'is given another shape while it is suspended',
    {
      spec: { stages: [one] },
      async tell(world, settled) {
        await untilItTrains(world, settled);
        world.edit({ suspend: true });
        await settled();
        world.edit({ suspend: false, stages: [gang] });
        await settled();
      },
    },
  ],
  [
    'makes its claim, succeeds and expires',
    {
      spec: {
        stages: [one],
        storage: { size: '1Ti', whenDeleted: 'Delete' },
        ttlSecondsAfterFinished: 100_000,
      },
      async tell(world, settled) {
        await comeToRest(world, settled);
        world.pass(200_000);
        await settled();
      },
    },
  ],
];

/** Tells a story to its end; the controller dies once, after so many writes. */
async function run({ spec, tell }: Story, diesAfter = Number.POSITIVE_INFINITY) {
  const world = new SimulatedWorld(spec);
  const reconcile = () => {
    const left = diesAfter - world.cluster.writes.length;
    return world.reconcile(0, left > 0 ? left : Number.POSITIVE_INFINITY);
  };
  const settled = () => settle(world, reconcile);
  await tell(world, settled);
  await comeToRest(world, reconcile);
  const written = world.cluster.writes.length;
  await world.reconcile();
  expect(world.cluster.writes.slice(written)).toEqual([]);
  return { writes: world.cluster.writes, end: endOf(world) };
}

/** The end of it all, without its times. */
function endOf(world: SimulatedWorld) {
  const { state, stages = [], conditions = [] } = world.status;
  return {
    broken: world.broken,
    state,
    conditions: conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
    stages: stages.map(({ name, state: stage, attempt, restarts }) => ({ name, stage, attempt, restarts })),
    jobs: world.jobs().map(({ metadata, spec, status }) => ({
      name: metadata.name,
      suspend: spec?.suspend ?? false,
      ended: metadata.annotations?.[endedAnnotation],
      stalls: metadata.annotations?.[stalledAtAnnotation]?.split(',').length ?? 0,
      is: status?.conditions?.map(({ type }) => type),
    })),
    servings: world.servings().map(({ metadata }) => metadata.name),
    claims: world.cluster.list('PersistentVolumeClaim').map(({ metadata }) => metadata.name),
    pods: world.activePods().length,
  };
}

describe('a training whose controller dies after any one write', () => {
  it.each(stories)('%s, all the same', async (_, story) => {
    const calm = await run(story);
    const wrong: unknown[] = [];
    for (let point = 1; point <= calm.writes.length; point++) {
      const { end } = await run(story, point);
      if (JSON.stringify(end) !== JSON.stringify(calm.end))
        wrong.push({ point, write: calm.writes[point - 1], end, wanted: calm.end });
    }
    expect(wrong).toEqual([]);
  });

  it.each<[name: string, state: string | undefined, reason: string | undefined, writes: string[]]>([
    [
      'is suspended and resumed',
      'Succeeded',
      'True Completed',
      ['merge Job/demo-one-train-a1', 'merge Job/demo-one-train-a1'],
    ],
    ['stands still once', 'Succeeded', 'True Completed', ['merge Job/demo-one-train-a1']],
    ['fails once too often', 'Failed', 'False RestartsExhausted', ['merge Job/demo-one-train-a1']],
    ['runs past its deadline', 'Failed', 'False DeadlineExceeded', ['merge Job/demo-one-train-a1']],
    [
      'is given another shape while it trains',
      'Succeeded',
      'True Completed',
      ['merge Job/demo-one-train-a1'],
    ],
    ['makes its claim, succeeds and expires', undefined, undefined, []],
  ])('%s: this is what it comes to', async (name, state, reason, writes) => {
    const story = stories.find(([told]) => told === name)?.[1] ?? { tell: async () => {} };
    const { end, writes: all } = await run(story);
    expect({
      state: end.state,
      succeeded: end.conditions.find((line) => line.startsWith('Succeeded '))?.slice('Succeeded '.length),
      writes: all.filter((line) => line.startsWith('merge')),
      broken: end.broken,
    }).toEqual({ state, succeeded: reason, writes, broken: [] });
  });
});
