/** One ask of a probe or a hook: HTTP, TCP or a command in the container. */
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { connect } from 'node:net';
import type { Probe } from '@longpo/api';
import type { ContainerProcess } from './runtime.ts';

export type Action = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket'>;
type HttpAction = NonNullable<Action['httpGet']>;

/** True when the answer is a good one: status 200 to 399, a connection, exit code 0. Never rejects. */
export async function perform(
  action: Action,
  process: ContainerProcess,
  timeoutMs: number,
): Promise<boolean> {
  try {
    if (action.exec) return await runCommand(process, action.exec.command ?? [], timeoutMs);
    if (action.httpGet) return await askHttp(action.httpGet, process, timeoutMs);
    if (action.tcpSocket) return await openConnection(action.tcpSocket, process, timeoutMs);
    return true;
  } catch {
    return false; // the container ended meanwhile, or the port has no such name
  }
}

function runCommand(process: ContainerProcess, command: string[], timeoutMs: number): Promise<boolean> {
  const child = process.exec(command, 'ignore');
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      resolve(false);
    }, timeoutMs);
    const end = (good: boolean) => {
      clearTimeout(timer);
      resolve(good);
    };
    child.once('error', () => end(false));
    child.once('exit', (code) => end(code === 0));
  });
}

function askHttp(action: HttpAction, process: ContainerProcess, timeoutMs: number): Promise<boolean> {
  const { host, port } = process.addressOf(action.port);
  // A kubelet does not verify the certificate: it asks whether the container lives, not who it is.
  const options = {
    host: action.host ?? host,
    port,
    path: action.path ?? '/',
    headers: Object.fromEntries((action.httpHeaders ?? []).map(({ name, value }) => [name, value])),
    agent: false,
    rejectUnauthorized: false,
    signal: AbortSignal.timeout(timeoutMs),
  };
  return new Promise((resolve) => {
    const request = (action.scheme === 'HTTPS' ? httpsGet : httpGet)(options, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400);
    });
    request.once('error', () => resolve(false));
  });
}

function openConnection(
  action: NonNullable<Action['tcpSocket']>,
  process: ContainerProcess,
  timeoutMs: number,
): Promise<boolean> {
  const { host, port } = process.addressOf(action.port);
  return new Promise((resolve) => {
    const socket = connect({ host: action.host ?? host, port, timeout: timeoutMs });
    const end = (good: boolean) => {
      socket.destroy();
      resolve(good);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}
