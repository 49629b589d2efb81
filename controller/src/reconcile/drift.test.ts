import type { ManagedFieldsEntry } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../cluster.ts';
import { hasDrifted } from './drift.ts';

type Wanted = Resource & { spec: object };

/** Of the shapes that our children have. */
const desired: Wanted = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name: 'demo',
    namespace: 'research',
    labels: { 'longpo.dev/serving': 'demo' },
    ownerReferences: [{ apiVersion: 'longpo.dev/v1alpha1', kind: 'LongPOServing', name: 'demo', uid: '1' }],
  },
  spec: {
    selector: { 'longpo.dev/serving': 'demo' },
    ports: [{ name: 'http', port: 8000 }],
    egress: [],
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0 } },
    names: ['a', 'b'],
    emptyDir: {},
    notSet: undefined,
  },
};

/** As Kubernetes 1.37.2 writes it down after an apply: whole lists and maps are leaves, others go by their entries. */
const metadata = {
  'f:labels': { 'f:longpo.dev/serving': {} },
  'f:ownerReferences': { 'k:{"uid":"1"}': {} },
};
const port = { '.': {}, 'f:name': {}, 'f:port': {} };
const spec = {
  'f:selector': {},
  'f:ports': { 'k:{"port":8000,"protocol":"TCP"}': port },
  'f:egress': {},
  'f:strategy': { 'f:type': {}, 'f:rollingUpdate': { 'f:maxSurge': {} } },
  'f:names': { 'v:"a"': {}, 'v:"b"': {} },
  'f:emptyDir': {},
};
const applied: ManagedFieldsEntry = {
  manager: 'longpo-controller',
  operation: 'Apply',
  apiVersion: 'v1',
  fieldsType: 'FieldsV1',
  fieldsV1: { 'f:metadata': metadata, 'f:spec': spec },
};

const isDrifted = (managedFields: ManagedFieldsEntry[] | undefined, wanted: Resource = desired): boolean =>
  hasDrifted(
    { ...desired, metadata: { ...desired.metadata, ...(managedFields && { managedFields }) } },
    wanted,
    'longpo-controller',
  );

const withSpec = (changed: object) =>
  isDrifted([{ ...applied, fieldsV1: { 'f:metadata': metadata, 'f:spec': { ...spec, ...changed } } }]);
const { 'f:egress': _, ...withoutEgress } = spec;

describe('a child that was applied', () => {
  it('has not drifted while every field of ours is ours, whatever others have beside', () => {
    const other: ManagedFieldsEntry = {
      ...applied,
      manager: 'kubectl-edit',
      operation: 'Update',
      fieldsV1: { 'f:spec': { 'f:sessionAffinity': {} } },
    };
    expect([isDrifted([applied]), isDrifted([other, applied])]).toEqual([false, false]);
  });

  it.each<[name: string, drifted: boolean]>([
    [
      'a field lost',
      isDrifted([{ ...applied, fieldsV1: { 'f:metadata': metadata, 'f:spec': withoutEgress } }]),
    ],
    ['a field within lost', withSpec({ 'f:strategy': { 'f:rollingUpdate': { 'f:maxSurge': {} } } })],
    ['an entry under another key', withSpec({ 'f:ports': { 'k:{"port":9000,"protocol":"TCP"}': port } })],
    [
      'a field of an entry lost',
      withSpec({ 'f:ports': { 'k:{"port":8000,"protocol":"TCP"}': { '.': {}, 'f:port': {} } } }),
    ],
    ['one of a set lost', withSpec({ 'f:names': { 'v:"a"': {} } })],
    [
      'a label lost',
      isDrifted([
        {
          ...applied,
          fieldsV1: {
            'f:metadata': { 'f:ownerReferences': metadata['f:ownerReferences'] },
            'f:spec': spec,
          },
        },
      ]),
    ],
    ['all of it lost', isDrifted([])],
    ['only a status applied', isDrifted([{ ...applied, subresource: 'status' }])],
    ['a field that is wanted since', isDrifted([applied], { ...desired, spec: { added: 1 } } as Resource)],
  ])('has drifted: %s', (_, drifted) => {
    expect(drifted).toBe(true);
  });

  it('is taken as it is in a cluster that does not write down whose fields are whose', () => {
    expect(isDrifted(undefined)).toBe(false);
  });
});
