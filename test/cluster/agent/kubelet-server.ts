/** What the API server asks a node for: the logs of a container, and commands inside it. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import type { ContainerLife } from '../../../cli/src/pod/index.ts';
import { serveExec, subprotocols } from './exec-session.ts';
import { type LogQuery, serveLog } from './log-stream.ts';
import type { NodePods } from './node-pods.ts';
import { podFolder } from './pod-place.ts';
import { runCommand } from './run-command.ts';

export interface KubeletServerOptions {
  pods: NodePods;
  nodeName: string;
  runFolder: string;
  host: string;
  port: number;
}

interface Target {
  verb: string;
  container: ContainerLife;
  podFolder: string;
  query: URLSearchParams;
}

/** Paths are /containerLogs/<namespace>/<pod>/<container> and /exec/<namespace>/<pod>/<container>. */
function targetOf(url: string, { pods, runFolder }: KubeletServerOptions): Target | undefined {
  const { pathname, searchParams } = new URL(url, 'https://node');
  const [, verb = '', namespace = '', podName = '', containerName = ''] = pathname.split('/');
  const found = pods.find(namespace, podName);
  const container = found?.life.container(containerName);
  if (found === undefined || container === undefined) return undefined;
  const folder = podFolder(runFolder, found.pod.metadata.uid ?? '');
  return { verb, container, podFolder: folder, query: searchParams };
}

const logQuery = (query: URLSearchParams): LogQuery => ({
  isPrevious: query.get('previous') === 'true',
  follow: query.get('follow') === 'true',
  tailLines: query.has('tailLines') ? Number(query.get('tailLines')) : undefined,
});

/** The API server does not verify a kubelet's certificate unless it is told to. */
async function selfSigned(folder: string, name: string): Promise<{ key: Buffer; cert: Buffer }> {
  mkdirSync(folder, { recursive: true });
  const [key, cert] = [join(folder, 'kubelet.key'), join(folder, 'kubelet.crt')];
  const subject = ['-subj', `/CN=${name}`, '-days', '3650', '-nodes'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  await runCommand('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert]);
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

export async function startKubeletServer(options: KubeletServerOptions): Promise<Server> {
  const { nodeName, runFolder, host, port } = options;
  const server = createServer(await selfSigned(runFolder, nodeName), (request, response) => {
    const target = targetOf(request.url ?? '', options);
    if (target?.verb === 'containerLogs')
      // A pod that is deleted takes its logs with it, in the middle of a line too.
      return void serveLog(target.container, target.podFolder, logQuery(target.query), response).catch(() =>
        response.destroy(),
      );
    response.statusCode = 404;
    response.end('not found');
  });
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
  });
  server.on('upgrade', (request, socket, head) => {
    const target = targetOf(request.url ?? '', options);
    const { process } = target?.container ?? {};
    if (target?.verb !== 'exec' || process === undefined) {
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const { query } = target;
    sockets.handleUpgrade(request, socket, head, (connection) =>
      serveExec(connection, process, query.getAll('command'), query.get('tty') === 'true'),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return server;
}
