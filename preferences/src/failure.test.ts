import { readFile } from 'node:fs/promises';
import { TokenizerError } from '@longpo/tokens';
import { describe, expect, it } from 'vitest';
import { GenerateError } from './errors.ts';
import { failureOf } from './failure.ts';

describe('a failure', () => {
  it('has the code, the message and the exit code of its error', () => {
    expect(failureOf(new GenerateError('NO_ROWS', 'none', 4), false)).toEqual({
      code: 'NO_ROWS',
      message: 'none',
      exitCode: 4,
    });
    expect(failureOf(new TokenizerError('MODEL_INCOMPLETE', 'none'), false)).toEqual({
      code: 'MODEL_INCOMPLETE',
      message: 'none',
      exitCode: 2,
    });
  });

  it('is a stop when someone asked for one, whatever broke on the way', () => {
    expect(failureOf(new Error('aborted'), true)).toMatchObject({ code: 'PREEMPTED', exitCode: 75 });
  });

  it('of storage may be tried again', async () => {
    const error: unknown = await readFile('/nowhere/at/all').catch((thrown: unknown) => thrown);
    expect(failureOf(error, false)).toEqual({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining('/nowhere/at/all'),
      exitCode: 75,
    });
  });

  it('that nobody expected is a bug, whose stack is for the log', () => {
    const failure = failureOf(new TypeError('x is not a function'), false);
    expect(failure).toEqual({
      code: 'INTERNAL',
      message: 'a bug, please report it: x is not a function',
      exitCode: 1,
      stack: expect.stringContaining('failure.test.ts'),
    });
    expect(failureOf('thrown text', false)).toMatchObject({ code: 'INTERNAL', exitCode: 1 });
  });
});
