import { expect, it } from 'vitest';
import { contentTypes, isRepeatable, type Method } from './repeatable.ts';

const version = { metadata: { resourceVersion: '1' } };

it.each<[boolean, Method, string | undefined, object | undefined]>([
  [true, 'GET', undefined, undefined],
  [false, 'POST', undefined, {}],
  [false, 'PUT', undefined, {}],
  [true, 'PATCH', contentTypes.apply, { metadata: { uid: 'u' } }],
  [false, 'PATCH', contentTypes.apply, version],
  [true, 'PATCH', contentTypes.merge, {}],
  [false, 'PATCH', contentTypes.merge, version],
  [false, 'PATCH', 'application/json-patch+json', []],
  [false, 'DELETE', undefined, undefined],
  [true, 'DELETE', undefined, { preconditions: { uid: 'u' } }],
  [false, 'DELETE', undefined, { preconditions: { uid: 'u', resourceVersion: '1' } }],
])('%s: %s %s %j may be repeated when its answer is lost', (expected, method, contentType, body) => {
  expect(isRepeatable(method, contentType, body)).toBe(expected);
});
