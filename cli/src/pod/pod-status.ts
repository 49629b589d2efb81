/** The status of a pod as a kubelet writes it, from what its containers do. Pure. */
import { type ContainerRecord, containerStatus, type PodStatus, timestamp } from './container-record.ts';
import type { PodAddresses, PodResource } from './runtime.ts';

export type PodCondition = NonNullable<PodStatus['conditions']>[number];

export interface PodFacts {
  pod: PodResource;
  initContainers: ContainerRecord[];
  containers: ContainerRecord[];
  startTime: string;
  /** Known once what the containers share is there. */
  addresses: PodAddresses | undefined;
  /** Nothing runs any more, and nothing will. */
  isOver: boolean;
  /** Why the pod was ended by its node. */
  failure?: { reason: string; message: string };
}

const isSidecar = ({ spec }: ContainerRecord) => spec.restartPolicy === 'Always';
const hasRun = ({ state, lastState }: ContainerRecord) =>
  state.waiting === undefined || lastState !== undefined;
const isDone = ({ state }: ContainerRecord) => state.terminated?.exitCode === 0;
const namesOf = (records: ContainerRecord[]) => `[${records.map(({ spec }) => spec.name).join(' ')}]`;

const unfinishedInit = ({ initContainers }: PodFacts) =>
  initContainers.filter((record) => !(isSidecar(record) ? record.started : isDone(record)));

const isInitialized = (facts: PodFacts) =>
  facts.containers.some(hasRun) || unfinishedInit(facts).length === 0;

function phaseOf(facts: PodFacts): 'Pending' | 'Running' | 'Succeeded' | 'Failed' {
  const { containers, initContainers, isOver, failure, pod } = facts;
  const policy = pod.spec?.restartPolicy ?? 'Always';
  if (isOver && failure) return 'Failed';
  if (!isInitialized(facts)) return isOver ? 'Failed' : 'Pending';
  if (!isOver && containers.some((record) => !hasRun(record))) return 'Pending';
  const isRunning = [...containers, ...initContainers].some(({ state }) => state.running);
  const allDone = containers.every(isDone);
  const mayRestart = policy === 'Always' || (policy === 'OnFailure' && !allDone);
  if (!isOver && (isRunning || mayRestart || failure)) return 'Running';
  return allDone ? 'Succeeded' : 'Failed';
}

type Verdict = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

function readiness(type: string, facts: PodFacts, phase: string): Verdict {
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const unready = facts.containers.filter(({ ready }) => !ready);
  if (unready.length === 0 && isInitialized(facts)) return { type, status: 'True' };
  const message = `containers with unready status: ${namesOf(unready)}`;
  return { type, status: 'False', reason: 'ContainersNotReady', message };
}

function initialization(facts: PodFacts, phase: string): Verdict {
  const type = 'Initialized';
  if (phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  if (isInitialized(facts)) return { type, status: 'True' };
  const message = `containers with incomplete status: ${namesOf(unfinishedInit(facts))}`;
  return { type, status: 'False', reason: 'ContainersNotInitialized', message };
}

/** A condition keeps its transition time for as long as its status stays. */
function withTransitionTimes(verdicts: Verdict[], previous: PodCondition[], now: Date): PodCondition[] {
  return verdicts.map((verdict) => {
    const before = previous.find(({ type }) => type === verdict.type);
    const isSame = before?.status === verdict.status;
    return { ...verdict, lastTransitionTime: (isSame && before.lastTransitionTime) || timestamp(now) };
  });
}

export function podStatus(facts: PodFacts, previous: PodStatus | undefined, now: Date): PodStatus {
  const { initContainers, containers, startTime, addresses, isOver, failure } = facts;
  const phase = phaseOf(facts);
  const hasSandbox = addresses !== undefined && !isOver;
  const { podIP, hostIP } = addresses ?? {};
  const verdicts: Verdict[] = [
    { type: 'PodReadyToStartContainers', status: hasSandbox ? 'True' : 'False' },
    initialization(facts, phase),
    readiness('Ready', facts, phase),
    readiness('ContainersReady', facts, phase),
  ];
  return {
    phase,
    ...failure,
    startTime,
    ...(hostIP !== undefined && { hostIP, hostIPs: [{ ip: hostIP }] }),
    ...(podIP !== undefined && { podIP, podIPs: [{ ip: podIP }] }),
    conditions: withTransitionTimes(verdicts, previous?.conditions ?? [], now),
    ...(initContainers.length > 0 && {
      initContainerStatuses: initContainers.map((record) => containerStatus(record, true)),
    }),
    containerStatuses: containers.map((record) => containerStatus(record, false)),
  };
}

/** A pod that ran on a node that forgot it. The disruption does not count towards a Job's limits. */
export function lostStatus(message: string, now: Date): PodStatus {
  const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager' };
  return {
    phase: 'Failed',
    reason: 'NodeLost',
    message,
    conditions: [{ ...condition, lastTransitionTime: timestamp(now) }],
  };
}
