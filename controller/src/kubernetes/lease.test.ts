import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LeaseServer } from './fixture/lease-server.ts';
import { LeaderElection } from './lease.ts';

let server: LeaseServer;
let nowMs: number;
let lost: string[];
let elections: LeaderElection[];
beforeEach(() => {
  server = new LeaseServer();
  nowMs = 1_000_000;
  lost = [];
  elections = [];
});
afterEach(async () => {
  server.faults.clear();
  await Promise.all(elections.map((election) => election.stop()));
});

/** Attempts follow each other at once; time passes only when a test says so. */
function candidate(identity: string, renewDeadlineMs = 10_000): LeaderElection {
  const election = new LeaderElection({
    transport: server.clientOf(identity),
    namespace: 'longpo-system',
    name: 'longpo-controller',
    identity,
    retryMs: 1,
    renewDeadlineMs,
    now: () => nowMs,
    onLost: () => lost.push(identity),
  });
  elections.push(election);
  return election;
}

/** Several attempts of everybody. */
const attempts = () => new Promise((resolve) => setTimeout(resolve, 30));

async function started(identity: string): Promise<LeaderElection> {
  const election = candidate(identity);
  await election.start();
  return election;
}

describe('an election', () => {
  it('has exactly one leader when all begin at once', async () => {
    const all = ['a', 'b', 'c', 'd'].map((identity) => candidate(identity));
    for (const election of all) void election.start().catch(() => undefined);
    await attempts();
    const leaders = all.filter(({ isLeader }) => isLeader);
    expect(leaders).toHaveLength(1);
    await expect.poll(() => new Set(all.map(({ holder }) => holder)).size).toBe(1);
    expect(new Set(server.writes.map((write) => write.split(' ')[1])).size).toBe(1);
  });

  it('passes to the next when the lease was seen unchanged for its duration, and not before', async () => {
    server.put({ holderIdentity: 'dead', leaseDurationSeconds: 15, leaseTransitions: 4 });
    const next = candidate('next');
    const leads = next.start();
    await attempts();
    nowMs += 14_999;
    await attempts();
    expect([next.isLeader, server.writes]).toEqual([false, []]);
    nowMs += 1;
    await leads;
    expect(next.isLeader).toBe(true);
    expect(server.lease?.spec).toMatchObject({ holderIdentity: 'next', leaseTransitions: 5 });
  });

  it.each(['1999-01-01T00:00:00.000000Z', '2999-01-01T00:00:00.000000Z'])(
    'does not believe the clock of another machine, which says %s',
    async (renewTime) => {
      server.put({ holderIdentity: 'alive', renewTime });
      const next = candidate('next');
      void next.start().catch(() => undefined);
      for (let i = 0; i < 4; i++) {
        await attempts();
        nowMs += 10_000;
        server.put({ renewTime });
      }
      await attempts();
      expect([next.isLeader, server.lease?.spec.holderIdentity]).toEqual([false, 'alive']);
    },
  );

  it('is lost by a leader that cannot renew, before anybody else may lead', async () => {
    const leader = await started('one');
    server.faults.set('one', 'down');
    nowMs += 9_000;
    await attempts();
    expect([leader.isLeader, lost]).toEqual([true, []]);
    nowMs += 1_001;
    expect(leader.isLeader).toBe(false);
    await expect.poll(() => lost).toEqual(['one']);
    await attempts();
    expect(lost).toEqual(['one']);
  });

  it('is lost by a leader whose call hangs', async () => {
    const leader = candidate('one', 100);
    await leader.start();
    server.faults.set('one', 'hung');
    await attempts();
    nowMs += 101;
    expect(leader.isLeader).toBe(false);
    await expect.poll(() => lost).toEqual(['one']);
  });

  it('counts from when a renewal was sent, as others may have seen it then', async () => {
    server.duringWrite = () => {
      nowMs += 6_000;
      server.duringWrite = () => undefined;
      server.faults.set('one', 'down');
    };
    const leader = await started('one');
    nowMs += 3_999;
    expect(leader.isLeader).toBe(true);
    nowMs += 1;
    expect(leader.isLeader).toBe(false);
  });

  it('is over for a process that stood still, before any of its timers runs', async () => {
    const leader = await started('one');
    nowMs += 20_000;
    expect(leader.isLeader).toBe(false);
  });

  it('is lost at once by a leader that sees another in its place', async () => {
    const leader = await started('one');
    server.put({ holderIdentity: 'two' });
    await expect.poll(() => lost).toEqual(['one']);
    expect([leader.isLeader, leader.holder]).toEqual([false, 'two']);
  });

  it('goes on when the answer to a renewal was lost, or when a person edits the lease', async () => {
    const leader = await started('one');
    server.faults.set('one', 'lost');
    await attempts();
    server.faults.clear();
    server.put({ leaseDurationSeconds: 60 });
    await attempts();
    nowMs += 9_000;
    await attempts();
    nowMs += 9_000;
    expect([leader.isLeader, lost]).toEqual([true, []]);
    expect(server.lease?.spec.holderIdentity).toBe('one');
  });

  it('leaves the labels of the lease to whoever made it', async () => {
    const labels = { 'app.kubernetes.io/managed-by': 'Helm' };
    server.put({}, { labels });
    await started('one');
    expect(server.lease).toMatchObject({ metadata: { labels }, spec: { holderIdentity: 'one' } });
  });

  it('is given back by a leader that stops, which then writes no more', async () => {
    const leader = await started('one');
    await leader.stop();
    const writes = server.writes.length;
    expect([leader.isLeader, server.lease?.spec.holderIdentity, lost]).toEqual([false, '', []]);
    await attempts();
    expect(server.writes).toHaveLength(writes);
    expect((await started('two')).isLeader).toBe(true);
  });

  it('is not begun twice, and ends a wait when it is stopped', async () => {
    server.put({ holderIdentity: 'alive' });
    const next = candidate('next');
    const leads = expect(next.start()).rejects.toThrow('stopped');
    await expect(next.start()).rejects.toThrow('started once');
    await next.stop();
    await leads;
    expect(server.writes).toEqual([]);
  });
});
