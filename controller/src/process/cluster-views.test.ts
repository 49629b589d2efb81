import { describe, expect, it } from 'vitest';
import { type Cluster, jobs, type Resource, refOf } from '../cluster.ts';
import { MemoryCluster } from '../fixture/memory-cluster.ts';
import { leaderOnly } from './leader-only.ts';
import { namespacedCluster } from './namespaced-cluster.ts';

const makeJob = (namespace: string, name = 'demo'): Resource => ({ ...jobs, metadata: { name, namespace } });

const write = async (cluster: Cluster, job: Resource): Promise<string[]> => {
  const ref = refOf(job);
  const attempts: (() => Promise<void>)[] = [
    () => cluster.create(job, 'test'),
    () => cluster.apply(job, 'test'),
    () => cluster.merge(ref, { metadata: { labels: { a: 'b' } } }),
    () => cluster.patchStatus(ref, { active: 1 }, 'test'),
    () => cluster.remove(ref),
  ];
  const results = await Promise.allSettled(attempts.map((attempt) => attempt()));
  return results.map((result) => (result.status === 'fulfilled' ? 'written' : result.reason.reason));
};

describe('a cluster for the leader only', () => {
  it('is read by everybody and written by the leader', async () => {
    const world = new MemoryCluster();
    world.put(makeJob('a'));
    const guarded = leaderOnly(world.facade(), () => false);
    expect((await guarded.get(refOf(makeJob('a'))))?.metadata.name).toBe('demo');
    expect((await guarded.live.list(jobs, 'a')).length).toBe(1);
    expect(await write(guarded, makeJob('a', 'other'))).toEqual(Array(5).fill('NotLeader'));
    expect(world.writes).toEqual([]);
    expect(
      await write(
        leaderOnly(world.facade(), () => true),
        makeJob('a', 'other'),
      ),
    ).toEqual(Array(5).fill('written'));
  });

  it('stops writing in the moment in which it stops leading', async () => {
    const world = new MemoryCluster();
    let writesLeft = 1;
    const guarded = leaderOnly(world.facade(), () => writesLeft-- > 0);
    await guarded.create(makeJob('a'), 'test');
    await expect(guarded.create(makeJob('b'), 'test')).rejects.toMatchObject({ reason: 'NotLeader' });
    expect(world.list('Job').map(({ metadata }) => metadata.namespace)).toEqual(['a']);
  });
});

describe('a cluster of several namespaces', () => {
  function makeParts() {
    const worlds = { a: new MemoryCluster(), b: new MemoryCluster() };
    const parts = new Map(Object.entries(worlds).map(([name, world]) => [name, world.facade() as Cluster]));
    return { worlds, cluster: namespacedCluster(parts) };
  }

  it('reads and writes each object where it is', async () => {
    const { worlds, cluster } = makeParts();
    expect(await write(cluster, makeJob('b'))).toEqual(Array(5).fill('written'));
    expect([worlds.a.writes.length, worlds.b.writes.length]).toEqual([0, 5]);
    const ref = refOf(makeJob('b'));
    expect((await cluster.get(ref))?.metadata.name).toBe('demo');
    expect((await cluster.live.get(ref))?.metadata.name).toBe('demo');
    expect([(await cluster.list(jobs, 'a')).length, (await cluster.list(jobs, 'b')).length]).toEqual([0, 1]);
  });

  it('watches all of them until it is told to end', async () => {
    const { worlds, cluster } = makeParts();
    worlds.a.put(makeJob('a'));
    const seen: string[] = [];
    const end = await cluster.watch(jobs, ({ type, object }) => {
      seen.push(`${type} ${object.metadata.namespace}/${object.metadata.name}`);
    });
    worlds.b.put(makeJob('b'));
    end();
    worlds.b.put(makeJob('b', 'late'));
    expect(seen).toEqual(['ADDED a/demo', 'ADDED b/demo']);
  });

  it('knows nothing of other namespaces, and writes nothing there', async () => {
    const { cluster } = makeParts();
    const ref = refOf(makeJob('c'));
    expect([await cluster.get(ref), await cluster.live.get(ref), await cluster.list(jobs, 'c')]).toEqual([
      undefined,
      undefined,
      [],
    ]);
    expect(await write(cluster, makeJob('c'))).toEqual(Array(5).fill('NotFound'));
  });
});
