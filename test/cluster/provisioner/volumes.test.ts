import { expect, it } from 'vitest';
import { type Claim, needsVolume, pathToRemove, type Volume, volumeFor } from './volumes.ts';

const claim = (spec: Claim['spec'] = {}): Claim => ({
  metadata: { name: 'work', namespace: 'ml', uid: 'u1' },
  spec: {
    storageClassName: 'standard',
    accessModes: ['ReadWriteMany'],
    resources: { requests: { storage: '5Gi' } },
    ...spec,
  },
});

it('offers a claim a volume that is its own and gone with it', () => {
  expect(volumeFor(claim(), '/volumes/pvc-u1')).toEqual({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: 'pvc-u1',
      annotations: { 'pv.kubernetes.io/provisioned-by': 'longpo.dev/directory' },
    },
    spec: {
      capacity: { storage: '5Gi' },
      accessModes: ['ReadWriteMany'],
      persistentVolumeReclaimPolicy: 'Delete',
      storageClassName: 'standard',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: 'work', namespace: 'ml', uid: 'u1' },
      hostPath: { path: '/volumes/pvc-u1', type: 'Directory' },
    },
  });
});

it('leaves claims alone that are bound, of another class, being deleted, or want a block device', () => {
  const deleted = {
    ...claim(),
    metadata: { ...claim().metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
  };
  const others = [claim({ volumeName: 'pvc-u1' }), claim({ storageClassName: 'fast' }), deleted];
  expect([claim(), ...others, claim({ volumeMode: 'Block' })].map(needsVolume)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
});

it('removes the directory of a released volume of its own, and no other', () => {
  const volume = (change: Partial<Volume['spec']>, phase: string, by = 'longpo.dev/directory'): Volume => ({
    metadata: { name: 'pvc-u1', annotations: { 'pv.kubernetes.io/provisioned-by': by } },
    spec: { hostPath: { path: '/volumes/pvc-u1' }, persistentVolumeReclaimPolicy: 'Delete', ...change },
    status: { phase },
  });
  expect([
    pathToRemove(volume({}, 'Released')),
    pathToRemove(volume({}, 'Bound')),
    pathToRemove(volume({ persistentVolumeReclaimPolicy: 'Retain' }, 'Released')),
    pathToRemove(volume({}, 'Released', 'somebody.else')),
  ]).toEqual(['/volumes/pvc-u1', undefined, undefined, undefined]);
});
