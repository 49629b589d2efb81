/** The training that stand-ins run: two stages of three ranks each, in pods of their own. */
import type { LongPOTrainingInput } from '../../../api/src/index.ts';
import type { StandInSettings } from './settings.ts';

type Spec = LongPOTrainingInput['spec'];

export const standInTraining = (
  namespace: string,
  name: string,
  changes: Partial<Spec> & Pick<Spec, 'podTemplate'>,
): LongPOTrainingInput => ({
  apiVersion: 'longpo.dev/v1alpha1',
  kind: 'LongPOTraining',
  metadata: { name, namespace },
  spec: {
    model: { uri: 'pvc://longpo/models/small' },
    documents: { uri: 'pvc://longpo/documents' },
    storage: { size: '1Gi' },
    stages: [
      { name: 'one', contextLength: 1024, parallelism: { sequence: 3, processesPerPod: 1 } },
      { name: 'two', contextLength: 2048, parallelism: { sequence: 3, processesPerPod: 1 } },
    ],
    ...changes,
  },
});

/** What stand-ins are told: an env of their pods. */
export const told = (settings: StandInSettings) => ({
  env: [{ name: 'STAND_IN', value: JSON.stringify(settings) }],
});
