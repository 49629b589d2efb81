import { describe, expect, it } from 'vitest';
import { expand, podField, quantity, resourceField } from './pod-field.ts';

const pod = {
  apiVersion: 'v1' as const,
  kind: 'Pod' as const,
  metadata: {
    name: 'p',
    namespace: 'ns',
    uid: 'u',
    labels: { b: 'two', a: 'say "hi"' },
    annotations: { 'batch.kubernetes.io/job-completion-index': '3' },
  },
  spec: { containers: [], nodeName: 'node-1' },
};

describe('podField', () => {
  it.each([
    ['metadata.name', 'p'],
    ['metadata.uid', 'u'],
    ["metadata.labels['b']", 'two'],
    ["metadata.annotations['batch.kubernetes.io/job-completion-index']", '3'],
    ["metadata.labels['none']", ''],
    ['metadata.labels', 'a="say \\"hi\\""\nb="two"'],
    ['spec.nodeName', 'node-1'],
    ['spec.serviceAccountName', 'default'],
    ['status.podIP', '10.244.1.2'],
    ['status.nothing', undefined],
  ])('%s is %s', (path, expected) => {
    expect(podField(pod, path, { podIP: '10.244.1.2' })).toBe(expected);
  });
});

it.each([
  ['500m', 0.5],
  ['2', 2],
  ['1.5Gi', 1.5 * 2 ** 30],
  ['1k', 1000],
])('reads the quantity %s', (text, expected) => {
  expect(quantity(text)).toBe(expected);
});

it('gives resources in units of the divisor, rounded up, and requests where there is no limit', () => {
  const container = { name: 'c', resources: { limits: { cpu: '1500m' }, requests: { memory: '1Gi' } } };
  expect([
    resourceField(container, 'limits.cpu'),
    resourceField(container, 'limits.cpu', '1m'),
    resourceField(container, 'limits.memory', '1Mi'),
    resourceField(container, 'requests.cpu'),
  ]).toEqual(['2', '1500', '1024', '0']);
});

it('expands known names, keeps unknown ones, and takes $$ for a dollar', () => {
  expect(expand('$(A) $(B) $$(A) $A $$$(A)', { A: 'one' })).toBe('one $(B) $(A) $A $one');
});
