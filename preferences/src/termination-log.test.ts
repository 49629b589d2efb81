import { type PodResult, podResult } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { terminationMessage } from './termination-log.ts';

describe('the termination message', () => {
  it('is the result', () => {
    const result: PodResult = {
      generate: {
        path: 'rows.jsonl',
        digest: `sha256:${'0'.repeat(64)}`,
        rows: 1,
        turns: 2,
        dropped: { empty: 1 },
      },
    };
    expect(JSON.parse(terminationMessage(result))).toEqual(result);
  });

  it.each(['x', '"', '\u8c01', '\ud83d\ude00'])(
    'loses the end of a message of %s, not its form',
    (letter) => {
      const text = terminationMessage({ error: { code: 'NO_ROWS', message: letter.repeat(2000) } });
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4096);
      const { error } = podResult.parse(JSON.parse(text));
      expect(error?.code).toBe('NO_ROWS');
      expect(error?.message.length).toBeGreaterThan(500);
    },
  );
});
