/** What there is to say about a container, from which its part of the status is written. Pure. */
import type { Container, Pod } from '@longpo/api';

export type PodStatus = NonNullable<Pod['status']>;
export type ContainerStatus = NonNullable<PodStatus['containerStatuses']>[number];
export type ContainerState = NonNullable<ContainerStatus['state']>;
export type Terminated = NonNullable<ContainerState['terminated']>;

export interface ContainerRecord {
  spec: Container;
  restartCount: number;
  state: ContainerState;
  lastState?: { terminated: Terminated };
  ready: boolean;
  started: boolean;
  containerID?: string;
}

const messageLimit = 4096;
const logLimit = 2048;

/** Times of the API have whole seconds. */
export const timestamp = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, 'Z');

export const newRecord = (spec: Container, reason: string): ContainerRecord => ({
  spec,
  restartCount: 0,
  state: { waiting: { reason } },
  ready: false,
  started: false,
});

/** terminationMessagePolicy: the file, or the end of the log of a container that failed without a word. */
export function terminationMessage(
  spec: Container,
  exitCode: number,
  source: { readMessage(): string; logTail(bytes: number): string },
): string {
  const written = Buffer.from(source.readMessage()).subarray(0, messageLimit).toString();
  const fallBack = spec.terminationMessagePolicy === 'FallbackToLogsOnError' && exitCode !== 0;
  return written === '' && fallBack ? source.logTail(logLimit) : written;
}

export function containerStatus(record: ContainerRecord, isInit: boolean): ContainerStatus {
  const { spec, state, lastState, containerID, restartCount, started } = record;
  const image = spec.image ?? '';
  const isDone = isInit && spec.restartPolicy !== 'Always' && state.terminated?.exitCode === 0;
  return {
    name: spec.name,
    image,
    imageID: image,
    ready: record.ready || isDone,
    started,
    restartCount,
    state,
    ...(lastState && { lastState }),
    ...(containerID !== undefined && { containerID }),
  };
}
