import { describe, expect, it } from 'vitest';
import { RateLimit } from './rate-limit.ts';

function makeLimit(maxKeys = 100) {
  const clock = { ms: 0 };
  const limit = new RateLimit({ burst: 2, perSecond: 2, nowMs: () => clock.ms, maxKeys });
  return { clock, limit };
}

describe('the rate limit', () => {
  it('lets a burst through, then as many as come per second, and says how long to wait', () => {
    const { clock, limit } = makeLimit();
    const burst = [limit.take('a'), limit.take('a'), limit.take('a')];
    clock.ms = 250;
    const soon = limit.take('a');
    clock.ms = 500;
    expect([...burst, soon, limit.take('a'), limit.take('a')]).toEqual([0, 0, 0.5, 0.25, 0, 0.5]);
  });

  it('holds each key to its own', () => {
    const { limit } = makeLimit();
    for (let call = 0; call < 3; call++) limit.take('a');
    expect([limit.take('a') > 0, limit.take('b')]).toEqual([true, 0]);
  });

  it('forgets keys that are silent, and the oldest when there are too many', () => {
    const { clock, limit } = makeLimit(3);
    for (const key of ['a', 'b', 'c', 'd']) limit.take(key);
    const crowded = limit.size;
    clock.ms = 1000;
    limit.take('e');
    expect([crowded, limit.size]).toEqual([3, 1]);
  });
});
