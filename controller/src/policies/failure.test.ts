import { type Reason, type Role, role as roles } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { failedWith, makeJob } from '../fixture/training.ts';
import { terminalFailure } from './failure.ts';

const reasonTable: [exitCode: number, reasons: Record<Exclude<Role, 'serve'>, Reason>][] = [
  [1, everyRole('RestartsExhausted')],
  [2, { ...everyRole('ConfigInvalid'), fetch: 'ModelInvalid' }],
  [3, everyRole('DoesNotFit')],
  [4, { ...everyRole('DataInvalid'), fetch: 'ModelInvalid', verify: 'CheckpointInvalid' }],
  [70, everyRole('NonFiniteLoss')],
  [75, everyRole('RestartsExhausted')],
  [137, everyRole('RestartsExhausted')],
];

function everyRole(reason: Reason): Record<Exclude<Role, 'serve'>, Reason> {
  return { fetch: reason, generate: reason, train: reason, verify: reason };
}

describe('terminalFailure', () => {
  it.each(reasonTable)('gives exit code %i its reason in each role', (exitCode, wanted) => {
    const batch = roles.options.filter((role) => role !== 'serve');
    const reasons = batch.map((role) => [
      role,
      terminalFailure(role, makeJob(role, 'one', failedWith(exitCode))).reason,
    ]);
    expect(Object.fromEntries(reasons)).toEqual(wanted);
  });

  it("carries the pod's own code and message, and where they came from", () => {
    expect(
      terminalFailure('train', makeJob('train', 'one', failedWith(3, 'OUT_OF_MEMORY', 'too long'))),
    ).toEqual({
      reason: 'DoesNotFit',
      message: 'stage one, train: [OUT_OF_MEMORY] too long (pod pod-0, exit code 3)',
    });
  });

  it('names the Job when no pod is left to ask', () => {
    expect(terminalFailure('fetch', makeJob('fetch', '', { state: 'Failed' }))).toEqual({
      reason: 'RestartsExhausted',
      message: 'fetch: Job demo-fetch-a1 failed',
    });
  });

  it.each<[ended: string, exitCode: number, wanted: string, message: string]>([
    [
      'RestartsExhausted',
      1,
      'RestartsExhausted',
      'stage one, train: failed or stood still more often than spec.restarts allows; [SOME_CODE] what is wrong (pod pod-0, exit code 1)',
    ],
    [
      'DeadlineExceeded',
      75,
      'DeadlineExceeded',
      'stage one, train: ran longer than spec.activeDeadlineSeconds allows; [SOME_CODE] what is wrong (pod pod-0, exit code 75)',
    ],
  ])('says why the controller ended the Job: %s', (ended, exitCode, reason, message) => {
    const job = makeJob('train', 'one', { ...failedWith(exitCode), ended });
    expect(terminalFailure('train', job)).toEqual({ reason, message });
  });

  it('blames the pod when it ended with a code of its own, though the Job was being ended', () => {
    const job = makeJob('train', 'one', { ...failedWith(70), ended: 'DeadlineExceeded' });
    expect(terminalFailure('train', job).reason).toBe('NonFiniteLoss');
  });
});
