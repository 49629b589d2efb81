import { describe, expect, it } from 'vitest';
import { isReason } from '../cluster.ts';
import {
  apiError,
  asConflict,
  isAlreadyExists,
  isConflict,
  isExpired,
  isNotFound,
  isUnauthorized,
  watchError,
} from './api-error.ts';

const predicates = { isAlreadyExists, isConflict, isExpired, isNotFound, isUnauthorized };
const kindsOf = (error: unknown) =>
  Object.entries(predicates).flatMap(([name, holds]) => (holds(error) ? [name] : []));

describe('an answer that is no success', () => {
  it.each([
    [404, { reason: 'NotFound' }, ['isNotFound']],
    [409, { reason: 'Conflict' }, ['isConflict']],
    [409, { reason: 'AlreadyExists' }, ['isAlreadyExists']],
    [401, 'Unauthorized', ['isUnauthorized']],
    [410, { reason: 'Expired' }, ['isExpired']],
    [410, '', ['isExpired']],
    [504, { reason: 'Timeout', message: 'Too large resource version: 9, current: 5' }, ['isExpired']],
    [504, { reason: 'Timeout', message: 'slow' }, []],
    [500, undefined, []],
  ])('with status %i and body %j is %j', (status, body, expected) => {
    expect(kindsOf(apiError(status, body))).toEqual(expected);
  });

  it('asks for a pause in its header or in its Status', () => {
    const inBody = { details: { retryAfterSeconds: 3 } };
    expect([
      apiError(429, inBody, '7').retryAfterSeconds,
      apiError(429, inBody).retryAfterSeconds,
      apiError(429, '', 'Wed, 21 Oct 2026 07:28:00 GMT').retryAfterSeconds,
    ]).toEqual([7, 3, undefined]);
  });

  it('has its code within the Status when a watch tells of it', () => {
    expect(kindsOf(watchError({ code: 410, reason: 'Gone' }))).toEqual(['isExpired']);
    expect(watchError(undefined)).toMatchObject({ status: 500 });
  });

  it('is a conflict for callers when a patch names the uid of a predecessor', () => {
    const message = 'Job "x" is invalid: metadata.uid: Invalid value: "u": field is immutable';
    expect(isReason(asConflict(apiError(422, { reason: 'Invalid', message })), 'Conflict')).toBe(true);
    const other = apiError(422, { reason: 'Invalid', message: 'spec: Invalid value' });
    expect(asConflict(other)).toBe(other);
  });
});
