/** The trainings that are made here: ones that wait for ever, and ones that stand-ins run to the end. Pure. */
import type { LongPOTrainingInput } from '../../api/src/index.ts';
import { standInTraining, told } from '../../test/operator/stand-in/training.ts';

export const trainingsPath = (namespace: string, name = ''): string =>
  `/apis/longpo.dev/v1alpha1/namespaces/${namespace}/longpotrainings${name && `/${name}`}`;

/** The digits keep every name from being the beginning of another. */
export const namesOf = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(4, '0')}`);

/** Its first Job's pod waits for a node that does not exist. */
export const waitingTraining = (namespace: string, name: string): LongPOTrainingInput =>
  standInTraining(namespace, name, { podTemplate: { nodeSelector: { 'longpo.dev/bench': 'no-such-node' } } });

/** Two stages of three ranks each in pods of their own; nothing in them takes time. */
export const quickTraining = (namespace: string, name: string): LongPOTrainingInput =>
  standInTraining(namespace, name, { podTemplate: told({}) });
