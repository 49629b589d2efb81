/** `kubectl exec` over a WebSocket: the first byte of each message names the channel. */
import type { RawData, WebSocket } from 'ws';
import type { ContainerProcess } from '../../../cli/src/pod/index.ts';

export const subprotocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 };

/** What kubectl turns into its own exit code. */
function statusOf(code: number | null): object {
  if (code === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit status ${code ?? 137}`,
    details: { causes: [{ reason: 'ExitCode', message: String(code ?? 137) }] },
  };
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** util-linux' script lends a terminal; it takes one line, so each word is quoted. */
const withTerminal = (command: string[]) => ['script', '-qec', command.map(quoted).join(' '), '/dev/null'];

export function serveExec(
  socket: WebSocket,
  container: ContainerProcess,
  command: string[],
  wantsTerminal: boolean,
): void {
  const child = container.exec(wantsTerminal ? withTerminal(command) : command, 'pipe');
  const send = (channel: number, data: Buffer) => socket.send(Buffer.concat([Buffer.from([channel]), data]));
  child.stdout?.on('data', (data: Buffer) => send(channels.stdout, data));
  child.stderr?.on('data', (data: Buffer) => send(channels.stderr, data));
  child.on('error', () => {}); // `close` follows
  child.stdin?.on('error', () => {}); // the command does not read any more
  socket.on('message', (message: RawData) => {
    const bytes = Array.isArray(message) ? Buffer.concat(message) : Buffer.from(message as Buffer);
    if (bytes[0] === channels.stdin) child.stdin?.write(bytes.subarray(1));
    if (bytes[0] === channels.close && bytes[1] === channels.stdin) child.stdin?.end();
  });
  socket.on('close', () => child.kill('SIGKILL'));
  child.on('close', (code) => {
    send(channels.status, Buffer.from(JSON.stringify(statusOf(code))));
    socket.close(1000);
  });
}
