import { describe, expect, it } from 'vitest';
import { RecentWrites } from './recent-writes.ts';

const object = (uid: string, resourceVersion = '1') => ({
  apiVersion: 'longpo.dev/v1alpha1',
  kind: 'LongPOTraining',
  metadata: { name: uid, namespace: 'research', uid, resourceVersion },
});
const at = (ms: number) => new Date(Date.parse('2026-11-24T12:00:00Z') + ms);

describe('recent writes', () => {
  it('ask to wait for the event of a write, at most a second', () => {
    const recent = new RecentWrites();
    recent.note(object('a'), at(0));
    expect([
      recent.waitFor(object('a'), at(250)),
      recent.waitFor(object('a', '2'), at(250)),
      recent.waitFor(object('b'), at(250)),
      recent.waitFor(object('a'), at(1000)),
    ]).toEqual([0.75, undefined, undefined, undefined]);
  });

  it('hold only what may still be waited for, whether or not its end was seen', () => {
    const recent = new RecentWrites();
    for (let i = 0; i < 100; i++) recent.note(object(`gone-${i}`), at(i));
    recent.note(object('gone-0', '2'), at(900));
    recent.note(object('a'), at(1500));
    expect(recent.size).toBe(2);
    recent.forget(object('a'));
    expect(recent.size).toBe(1);
  });
});
