import { type Condition, conditionOf, type LongPOTrainingStatus } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { decide } from '../../fixture/decision.ts';
import { makeJob, makePod, now, running, type Scene } from '../../fixture/training.ts';

const since = '2026-11-24T11:58:00Z';
const done = [makeJob('fetch'), makeJob('generate', 'one')];

/** A training whose third pod of three waits for this. */
function sceneOf(reason: string, message: string, status?: LongPOTrainingStatus): Scene {
  const { startedAt: _, ...third } = makePod(2);
  const activePods = [makePod(0), makePod(1), { ...third, waits: { reason, message, since } }];
  const train = makeJob('train', 'one', { ...running, pods: 3, activePods });
  return { jobs: [...done, train], ...(status && { status }) };
}
const podsReady = ({ status }: { status: LongPOTrainingStatus }): Condition | undefined =>
  conditionOf(status, 'PodsReady');
const told = (plan: { events?: { type: string; reason: string }[] }) =>
  plan.events?.filter(({ reason }) => reason === 'PodsCannotStart').map(({ type }) => type);

const unschedulable = (nodes: number, few: number) =>
  sceneOf(
    'Unschedulable',
    `0/${nodes} nodes are available: ${few} Insufficient cpu, 9 node(s) had taint {x-1: }.`,
  );

describe('the condition PodsReady of pods that cannot start', () => {
  it('names the pod, what it is of, since when it waits, and the words of who told', () => {
    const decided = decide(sceneOf('CreateContainerConfigError', 'secret "hf"\n  not found'));
    expect(podsReady(decided)).toEqual({
      type: 'PodsReady',
      status: 'False',
      reason: 'PodsCannotStart',
      message:
        '2 of 3 pods of Job demo-one-train-a1 run; pod pod-2 (train of stage one) waits since 2026-11-24T11:58:00Z: CreateContainerConfigError: secret "hf" not found',
      observedGeneration: 1,
      lastTransitionTime: now.toISOString(),
    });
    expect(decided.find('Succeeded')).toBe('Unknown Training');
    expect(told(decided.plan)).toEqual(['Warning']);
  });

  it('names the role alone before there is a stage', () => {
    const pod = {
      ...makePod(0),
      startedAt: undefined,
      waits: { reason: 'InvalidImageName', message: '', since },
    };
    const { startedAt: _, ...waiting } = pod;
    const decided = decide({ jobs: [makeJob('fetch', '', { ...running, activePods: [waiting] })] });
    expect(podsReady(decided)?.message).toBe(
      '0 of 1 pods of Job demo-fetch-a1 run; pod pod-0 (fetch) waits since 2026-11-24T11:58:00Z: InvalidImageName',
    );
  });

  it('says where to look when pods are not even made', () => {
    const decided = decide({ jobs: [makeJob('fetch', '', { ...running, activePods: [] })] });
    expect(podsReady(decided)).toMatchObject({
      reason: 'PodsCannotStart',
      message:
        '0 of 1 pods of Job demo-fetch-a1 run; no pod (fetch) was made since 2026-11-24T11:30:00Z, 0 are there: a quota or an admission policy may refuse them, see kubectl describe job demo-fetch-a1',
    });
  });

  it('cuts what is too long', () => {
    const message = podsReady(decide(sceneOf('ErrImagePull', 'x'.repeat(5000))))?.message ?? '';
    expect(message.length).toBeLessThan(600);
  });

  it.each<[name: string, written: Scene, seen: Scene, isWritten: boolean]>([
    ['other counts of nodes are not written', unschedulable(12, 3), unschedulable(10, 1), false],
    [
      'nor the same in another order',
      unschedulable(12, 3),
      sceneOf('Unschedulable', '0/12 nodes are available: 1 node(s) had taint {x-1: }, 11 Insufficient cpu.'),
      false,
    ],
    [
      'nor the wait between two pulls',
      sceneOf('ErrImagePull', 'no such image'),
      sceneOf('ImagePullBackOff', 'Back-off pulling image "x"'),
      false,
    ],
    [
      'why a pull failed is, once it is known',
      sceneOf('ImagePullBackOff', 'Back-off pulling image "x"'),
      sceneOf('ErrImagePull', 'no such image'),
      true,
    ],
    [
      'another reason of the scheduler is',
      unschedulable(12, 3),
      sceneOf('Unschedulable', '0/12 nodes are available: 12 Insufficient memory.'),
      true,
    ],
    [
      'a name with another number is',
      sceneOf('CreateContainerConfigError', 'secret "hf-1" not found'),
      sceneOf('CreateContainerConfigError', 'secret "hf-2" not found'),
      true,
    ],
  ])('tells a trouble once: %s', (_, written, seen, isWritten) => {
    const first = decide(written);
    const second = decide({ ...seen, status: first.status });
    const fresh = decide(seen);
    expect(podsReady(second)).toEqual(podsReady(isWritten ? fresh : first));
    expect(told(second.plan)).toEqual([]);
  });

  it('looks again when what is only beginning would have lasted', () => {
    const { plan, find } = decide(sceneOf('ErrImagePull', ''), new Date('2026-11-24T11:58:04Z'));
    expect([find('PodsReady'), plan.requeueAfterSeconds]).toEqual(['False PodsPending', 6]);
  });

  it('is what it always was once the pods run', () => {
    const { status } = decide(sceneOf('Unschedulable', 'no'));
    const activePods = [makePod(0), makePod(1), makePod(2)];
    const train = makeJob('train', 'one', { ...running, pods: 3, activePods });
    expect(decide({ jobs: [...done, train], status }).find('PodsReady')).toBe('True AllPodsReady');
  });
});
