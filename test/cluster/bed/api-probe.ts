/** What a starting API server answers: a status and a body, and nothing when nobody listens. */
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiServerName } from './addresses.ts';

export interface Probe {
  port: number;
  /** PEM */
  certificateAuthority: string;
  token: string;
}

export interface ProbeAnswer {
  /** 0 when there was no answer. */
  status: number;
  body: string;
}

const probeTimeoutMs = 5000;
const pollMs = 100;

export function probe({ port, certificateAuthority, token }: Probe, path: string): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const outgoing = request(
      {
        ...{ host: '127.0.0.1', port, path, ca: certificateAuthority, servername: apiServerName },
        headers: { authorization: `Bearer ${token}` },
        timeout: probeTimeoutMs,
        agent: false,
      },
      async (incoming) => {
        try {
          resolve({
            status: incoming.statusCode ?? 0,
            body: Buffer.concat(await incoming.toArray()).toString(),
          });
        } catch {
          resolve({ status: 0, body: '' });
        }
      },
    );
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve({ status: 0, body: '' }));
    outgoing.end();
  });
}

/** Asks until it is so; the signal's reason ends the asking. */
export async function until(isSo: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await isSo())) {
    signal.throwIfAborted();
    await sleep(pollMs);
  }
}
