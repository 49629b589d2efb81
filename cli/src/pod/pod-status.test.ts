import { describe, expect, it } from 'vitest';
import { type ContainerRecord, newRecord } from './container-record.ts';
import { type PodFacts, podStatus } from './pod-status.ts';

const ended = (exitCode: number): Partial<ContainerRecord> => ({ state: { terminated: { exitCode } } });
const running: Partial<ContainerRecord> = { state: { running: {} }, started: true, ready: true };
const backingOff: Partial<ContainerRecord> = {
  state: { waiting: { reason: 'CrashLoopBackOff' } },
  lastState: { terminated: { exitCode: 1 } },
};

function facts(
  policy: string,
  containers: Partial<ContainerRecord>[],
  rest: Partial<PodFacts> = {},
): PodFacts {
  return {
    pod: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'default' },
      spec: { restartPolicy: policy, containers: [] },
    },
    initContainers: [],
    containers: containers.map((record, index) => ({
      ...newRecord({ name: `c${index}` }, 'ContainerCreating'),
      ...record,
    })),
    startTime: '2026-01-01T00:00:00Z',
    addresses: {},
    isOver: false,
    ...rest,
  };
}

describe('the phase', () => {
  const rows: [name: string, facts: PodFacts, phase: string][] = [
    ['is Pending before every container has run', facts('Never', [running, {}]), 'Pending'],
    ['is Running while one runs', facts('Never', [running, ended(1)]), 'Running'],
    ['is Running during a back-off', facts('Always', [backingOff]), 'Running'],
    ['is Running between two runs', facts('Always', [ended(0)]), 'Running'],
    ['is Running when a failed one will run again', facts('OnFailure', [ended(1), ended(0)]), 'Running'],
    ['is Succeeded when all are done', facts('OnFailure', [ended(0), ended(0)]), 'Succeeded'],
    ['is Failed when one failed for good', facts('Never', [ended(0), ended(1)]), 'Failed'],
    [
      'is terminal for a stopped pod whatever the policy',
      facts('Always', [ended(0)], { isOver: true }),
      'Succeeded',
    ],
    [
      'is Failed for a pod that was stopped before it began',
      facts('Always', [{}], { isOver: true }),
      'Failed',
    ],
    [
      'is Running while a sidecar still ends',
      facts('Never', [ended(0)], {
        initContainers: [
          { ...newRecord({ name: 's', restartPolicy: 'Always' }, 'PodInitializing'), ...running },
        ],
      }),
      'Running',
    ],
  ];
  it.each(rows)('%s', (_, given, phase) => {
    expect(podStatus(given, undefined, new Date()).phase).toBe(phase);
  });
});

it('keeps the transition time of a condition until its status changes', () => {
  const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds));
  const first = podStatus(facts('Always', [{}]), undefined, at(1));
  const second = podStatus(facts('Always', [running]), first, at(2));
  const times = second.conditions?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]);
  expect(times).toEqual([
    ['PodReadyToStartContainers', '2026-01-01T00:00:01Z'],
    ['Initialized', '2026-01-01T00:00:01Z'],
    ['Ready', '2026-01-01T00:00:02Z'],
    ['ContainersReady', '2026-01-01T00:00:02Z'],
  ]);
});
