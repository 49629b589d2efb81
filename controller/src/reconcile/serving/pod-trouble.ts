/** Why a serving's pods do not answer, in words of the server, the kubelet or the scheduler. Pure. */
import { desiredHashAnnotation, fatalExitCodes, isConditionTrue } from '@longpo/api';
import { isBeingDeleted } from '../../cluster.ts';
import { type PodResource, parseTerminationMessage } from '../pod-view.ts';
import { waitOf } from '../pod-wait.ts';

export interface PodTrouble {
  /** A restart would end the same. */
  isFatal: boolean;
  message: string;
}

/** Longest piece of a log that goes into a condition. */
const tailLimit = 500;

/** Of the pods that were made from a template, the first trouble; a fatal one before any other. */
export function troubleOf(pods: PodResource[], templateHash: string | undefined): PodTrouble | undefined {
  const current = pods.filter(
    (pod) =>
      !isBeingDeleted(pod) &&
      pod.metadata.annotations?.[desiredHashAnnotation] === templateHash &&
      !isReady(pod),
  );
  const troubles = current.flatMap((pod) => endOf(pod) ?? waitingOf(pod) ?? []);
  return troubles.find(({ isFatal }) => isFatal) ?? troubles[0];
}

const isReady = ({ status }: PodResource): boolean => isConditionTrue(status, 'Ready');

function endOf(pod: PodResource): PodTrouble | undefined {
  const status = pod.status?.containerStatuses?.[0];
  const ended = status?.state?.terminated ?? status?.lastState?.terminated;
  if (ended === undefined) return undefined;
  const error = parseTerminationMessage(ended.message)?.error;
  const reason = ended.reason === undefined || ended.reason === 'Error' ? '' : ` (${ended.reason})`;
  const tail = ended.message?.trim().slice(-tailLimit);
  return {
    isFatal: fatalExitCodes.some((code) => code === ended.exitCode),
    message: error
      ? `[${error.code}] ${error.message}`
      : `the server ended with exit code ${ended.exitCode}${reason}${tail ? `: ${tail}` : ''}`,
  };
}

function waitingOf(pod: PodResource): PodTrouble | undefined {
  const wait = waitOf(pod);
  return wait && { isFatal: false, message: [wait.reason, wait.message].filter(Boolean).join(': ') };
}
