import { longpoTrainingSpec } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { makeTraining } from '../fixture/training.ts';
import { buildClaim } from './claim.ts';

const { owner } = makeTraining();
const claim = (storage: object) =>
  buildClaim(longpoTrainingSpec.shape.storage.parse({ claimName: 'data', ...storage }), owner);

describe('buildClaim', () => {
  it('makes none without a size: the claim is somebody else’s', () => {
    expect(claim({})).toBeUndefined();
  });

  it('makes one that every pod can mount and that outlives the training', () => {
    expect(claim({ size: '2Ti', storageClassName: 'nfs' })).toEqual({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: 'data',
        namespace: 'research',
        labels: { 'app.kubernetes.io/managed-by': 'longpo-controller' },
      },
      spec: {
        accessModes: ['ReadWriteMany'],
        resources: { requests: { storage: '2Ti' } },
        storageClassName: 'nfs',
      },
    });
  });

  it('lets it go with the training when asked', () => {
    expect(claim({ size: '1Ti', whenDeleted: 'Delete' })?.metadata.ownerReferences).toEqual([
      {
        apiVersion: 'longpo.dev/v1alpha1',
        kind: 'LongPOTraining',
        name: 'demo',
        uid: 'uid-demo',
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
  });
});
