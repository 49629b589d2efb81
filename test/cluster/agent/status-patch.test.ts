import { expect, it } from 'vitest';
import { statusPatch } from './status-patch.ts';

it('says null for what a merge would keep', () => {
  const pod = {
    apiVersion: 'v1' as const,
    kind: 'Pod' as const,
    metadata: { name: 'p', namespace: 'default', uid: 'u', generation: 2 },
  };
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  expect(statusPatch(pod, status)).toEqual({
    metadata: { uid: 'u' },
    status: {
      phase: 'Running',
      reason: null,
      message: null,
      observedGeneration: 2,
      conditions: [{ type: 'Ready', status: 'True', reason: null, message: null, observedGeneration: 2 }],
    },
  });
});
