/** The trainings that are made here: ones that wait for ever, and ones that stand-ins run to the end. Pure. */
import type { LongPOTrainingInput } from '../../api/src/index.ts';

export const trainingsPath = (namespace: string, name = ''): string =>
  `/apis/longpo.dev/v1alpha1/namespaces/${namespace}/longpotrainings${name && `/${name}`}`;

/** The digits keep every name from being the beginning of another. */
export const namesOf = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(4, '0')}`);

type PodTemplate = LongPOTrainingInput['spec']['podTemplate'];

function makeTraining(namespace: string, name: string, podTemplate: PodTemplate): LongPOTrainingInput {
  return {
    apiVersion: 'longpo.dev/v1alpha1',
    kind: 'LongPOTraining',
    metadata: { name, namespace },
    spec: {
      model: { uri: 'pvc://longpo/models/small' },
      documents: { uri: 'pvc://longpo/documents' },
      storage: { size: '1Gi' },
      podTemplate,
      stages: [
        { name: 'one', contextLength: 1024, parallelism: { sequence: 3, processesPerPod: 1 } },
        { name: 'two', contextLength: 2048, parallelism: { sequence: 3, processesPerPod: 1 } },
      ],
    },
  };
}

/** Its first Job's pod waits for a node that does not exist. */
export const waitingTraining = (namespace: string, name: string): LongPOTrainingInput =>
  makeTraining(namespace, name, { nodeSelector: { 'longpo.dev/bench': 'no-such-node' } });

/** Two stages of three ranks each in pods of their own; nothing in them takes time. */
export const quickTraining = (namespace: string, name: string): LongPOTrainingInput =>
  makeTraining(namespace, name, { env: [{ name: 'STAND_IN', value: '{}' }] });
