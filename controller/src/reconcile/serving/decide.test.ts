import type { LongPOServingStatus } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { makeDeployment, makeServing, makeServingPod, servingOwner } from '../../fixture/serving.ts';
import { now, settings } from '../../fixture/training.ts';
import {
  buildServingDeployment,
  buildServingService,
  type DeploymentResource,
} from '../../objects/serving.ts';
import { buildDisruptionBudget, buildNetworkPolicy } from '../../objects/serving-guards.ts';
import type { PodResource } from '../pod-view.ts';
import { decideServing } from './decide.ts';

interface Scene {
  spec?: object;
  deployment?: DeploymentResource;
  disruptionBudget?: ReturnType<typeof buildDisruptionBudget>;
  pods?: PodResource[];
}

const decide = ({ spec, deployment, disruptionBudget, pods = [] }: Scene) =>
  decideServing(
    { serving: makeServing(spec), owner: servingOwner, generation: 3, deployment, disruptionBudget, pods },
    settings,
    now,
  );

const conditionOf = (scene: Scene, type: string) => {
  const { conditions } = decide(scene).status as LongPOServingStatus;
  const found = conditions?.find((condition) => condition.type === type);
  return [found?.status, found?.reason, found?.message];
};

const counts = (replicas: number, updatedReplicas: number, readyReplicas: number) => ({
  replicas,
  updatedReplicas,
  readyReplicas,
});

const starting = makeDeployment({}, counts(1, 1, 0));
const answering = makeDeployment({}, counts(1, 1, 1));

/** A pod whose container has ended once and is about to be started again. */
function endedPod(exitCode: number, message?: string, spec: object = {}): PodResource {
  const terminated = { exitCode, reason: 'Error', ...(message && { message }) };
  const container = { name: 'serve', image: '', imageID: '', ready: false, restartCount: 1 };
  return makeServingPod(spec, {
    containerStatuses: [
      { ...container, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated } },
    ],
  });
}

const tooLarge = JSON.stringify({ error: { code: 'CONTEXT_TOO_LONG', message: 'use at most 8192' } });

describe('decideServing', () => {
  it.each<[name: string, scene: Scene, ready: [string, string, string]]>([
    ['nothing there yet -> Starting', {}, ['False', 'Starting', '0 of 1 replicas answer']],
    ['pod not ready -> Starting', { deployment: starting }, ['False', 'Starting', '0 of 1 replicas answer']],
    ['pod ready -> Available', { deployment: answering }, ['True', 'Available', '1 of 1 replicas answer']],
    [
      'pod of the spec before is ready, its Deployment not yet changed -> Starting',
      { spec: { maxModelLen: 4096 }, deployment: answering },
      ['False', 'Starting', '0 of 1 replicas answer'],
    ],
    [
      'pod of the spec before is ready, the change not yet seen by its controller -> Starting',
      { deployment: makeDeployment({}, counts(1, 1, 1), 1) },
      ['False', 'Starting', '0 of 1 replicas answer'],
    ],
    [
      'half-way through a rollout -> Starting, with the new ones counted',
      { spec: { replicas: 2 }, deployment: makeDeployment({ replicas: 2 }, counts(2, 1, 2)) },
      ['False', 'Starting', '1 of 2 replicas answer'],
    ],
    [
      'scaled to none -> nothing answers',
      { spec: { replicas: 0 }, deployment: makeDeployment({ replicas: 0 }, {}) },
      ['False', 'NoPods', 'spec.replicas is 0'],
    ],
    [
      'config that a restart cannot mend -> Unavailable with what the server said',
      { deployment: starting, pods: [endedPod(2, tooLarge)] },
      ['False', 'Unavailable', '[CONTEXT_TOO_LONG] use at most 8192'],
    ],
    [
      'config error without a word -> Unavailable with the exit code',
      { deployment: starting, pods: [endedPod(3)] },
      ['False', 'Unavailable', 'the server ended with exit code 3'],
    ],
    [
      'config error of a pod of the spec before -> Starting',
      { deployment: starting, pods: [endedPod(2, tooLarge, { maxModelLen: 99 })] },
      ['False', 'Starting', '0 of 1 replicas answer'],
    ],
    [
      "a crash is started again -> Starting, with the end of the server's log",
      { deployment: starting, pods: [endedPod(1, 'ValueError: no GPU\n')] },
      ['False', 'Starting', '0 of 1 replicas answer; the server ended with exit code 1: ValueError: no GPU'],
    ],
    [
      'a pod that fits nowhere -> Starting, with what the scheduler said',
      {
        deployment: starting,
        pods: [
          makeServingPod(
            {},
            {
              conditions: [
                { type: 'PodScheduled', status: 'False', message: '0/3 nodes: Insufficient nvidia.com/gpu' },
              ],
            },
          ),
        ],
      },
      ['False', 'Starting', '0 of 1 replicas answer; Unschedulable: 0/3 nodes: Insufficient nvidia.com/gpu'],
    ],
    [
      'answers again after a config error -> Available',
      { deployment: answering, pods: [endedPod(2, tooLarge)] },
      ['True', 'Available', '1 of 1 replicas answer'],
    ],
  ])('Ready: %s', (_, scene, ready) => {
    expect(conditionOf(scene, 'Ready')).toEqual(ready);
  });

  it.each<[name: string, scene: Scene, podsReady: [string, string, string]]>([
    ['none', { deployment: starting }, ['False', 'PodsPending', '0 of 1 replicas answer']],
    [
      'one of two, of the spec before',
      { spec: { replicas: 2 }, deployment: makeDeployment({ replicas: 2 }, counts(2, 1, 1)) },
      ['True', 'Available', '1 of 2 replicas answer'],
    ],
    ['all', { deployment: answering }, ['True', 'AllPodsReady', '1 of 1 replicas answer']],
    ['none is wanted', { spec: { replicas: 0 } }, ['False', 'NoPods', 'spec.replicas is 0']],
  ])('PodsReady: %s', (_, scene, podsReady) => {
    expect(conditionOf(scene, 'PodsReady')).toEqual(podsReady);
  });

  const late = (status: 'True' | 'False') =>
    makeDeployment(
      {},
      {
        ...counts(1, 1, 0),
        conditions: [{ type: 'Progressing', status, message: 'timed out progressing' }],
      },
    );

  it.each<[name: string, scene: Scene, progressing: [string, string, string]]>([
    [
      'a pod starts',
      { deployment: late('True') },
      ['True', 'Advancing', 'replicas of this spec are starting'],
    ],
    ['past its deadline', { deployment: late('False') }, ['False', 'Stalled', 'timed out progressing']],
    ['all is done', { deployment: answering }, ['False', 'Completed', 'every replica runs this spec']],
  ])('Progressing: %s', (_, scene, progressing) => {
    expect(conditionOf(scene, 'Progressing')).toEqual(progressing);
  });

  it('writes the whole status, with what the scale subresource reads', () => {
    const spec = { replicas: 2 };
    const condition = (type: string, status: string, reason: string, message: string) => ({
      type,
      status,
      reason,
      message,
      observedGeneration: 3,
      lastTransitionTime: now.toISOString(),
    });
    expect(decide({ spec, deployment: makeDeployment(spec, counts(2, 2, 2)) }).status).toEqual({
      observedGeneration: 3,
      replicas: 2,
      readyReplicas: 2,
      selector: 'longpo.dev/serving=demo',
      url: 'http://demo.research.svc:8000/v1',
      conditions: [
        condition('Ready', 'True', 'Available', '2 of 2 replicas answer'),
        condition('PodsReady', 'True', 'AllPodsReady', '2 of 2 replicas answer'),
        condition('Progressing', 'False', 'Completed', 'every replica runs this spec'),
        condition('ResourcesReconciled', 'True', 'Reconciled', 'every object is as it should be'),
      ],
    });
  });

  it('wants a policy before the pods that it guards, and a Service', () => {
    const { apply, remove } = decide({});
    expect({ apply, remove }).toEqual({
      apply: [
        buildNetworkPolicy(servingOwner),
        buildServingDeployment(makeServing(), servingOwner, settings.images),
        buildServingService(servingOwner),
      ],
      remove: [],
    });
  });

  it('wants a disruption budget only from two replicas on, and removes the very one it saw', () => {
    const budget = buildDisruptionBudget(servingOwner);
    const disruptionBudget = { ...budget, metadata: { ...budget.metadata, uid: 'uid-budget' } };
    expect(decide({ spec: { replicas: 2 } }).apply.at(-1)).toEqual(budget);
    expect(decide({ spec: { replicas: 2 }, disruptionBudget }).remove).toEqual([]);
    expect(decide({ spec: { replicas: 1 }, disruptionBudget }).remove).toEqual([
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        namespace: 'research',
        name: 'demo',
        preconditions: { uid: 'uid-budget' },
      },
    ]);
  });
});
