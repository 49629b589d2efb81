/** The durable copy of a result: the pod's termination message, at most 4,096 bytes. */
import { writeFileSync } from 'node:fs';
import { type PodResult, terminationMessageLimit } from '@longpo/api';

/** A long error message loses its end; the JSON around it must stay whole. */
export function terminationMessage(result: PodResult): string {
  const whole = JSON.stringify(result);
  const over = Buffer.byteLength(whole) - terminationMessageLimit;
  if (over <= 0 || result.error === undefined) return whole;
  const { code, message } = result.error;
  const kept = message.slice(0, Math.max(0, message.length - Math.ceil(over / 2) - 1)).toWellFormed();
  return terminationMessage({ error: { code, message: kept } });
}

export function leaveResult(file: string | undefined, result: PodResult): void {
  if (file !== undefined) writeFileSync(file, terminationMessage(result));
}
