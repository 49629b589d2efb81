/** The controller and its progress endpoint over the local cluster: the same code that a real cluster gets. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { reportPort } from '@longpo/api';
import {
  createLogger,
  createProgressEndpoint,
  ProgressStore,
  type Settings,
  startController,
} from '@longpo/controller';
import { type RunningLocalCluster, startLocalCluster } from '../local-cluster/index.ts';

export interface LocalOperatorOptions {
  /** .longpo/<name> */
  stateFolder: string;
  /** What a claim is in a cluster. */
  volumeRoot: string;
  podBase: Record<string, string>;
  ports: Record<string, number>;
}

export interface LocalOperator extends RunningLocalCluster {}

/** Images mean nothing here: a role's command is found on PATH. */
const localImage = 'local';
const settings: Settings = {
  images: {
    fetch: localImage,
    generate: localImage,
    train: localImage,
    verify: localImage,
    serve: localImage,
    vllm: localImage,
  },
  reportBaseUrl: `http://longpo-controller.longpo-system.svc:${reportPort}`,
};
const progressPeriodMs = 500;

export async function startLocalOperator(options: LocalOperatorOptions): Promise<LocalOperator> {
  const { stateFolder, volumeRoot, podBase, ports } = options;
  mkdirSync(volumeRoot, { recursive: true });
  const secret = randomBytes(32).toString('base64url');
  const tokenFile = join(stateFolder, 'token');
  writeFileSync(tokenFile, secret, { mode: 0o600 });
  const log = createWriteStream(join(stateFolder, 'controller.log'), { flags: 'a' });
  const logger = createLogger((line) => void log.write(line));

  // The endpoint must listen before the first pod starts, and needs the cluster that the pods run in.
  let endpoint: ReturnType<typeof createProgressEndpoint> | undefined;
  const app = (request: Request) => endpoint?.fetch(request) ?? new Response(null, { status: 503 });
  const { port, close } = await listen(app);
  const local = startLocalCluster({
    stateFolder,
    machine: { volumeRoot, tokenFile, reportOrigin: `http://127.0.0.1:${port}`, base: podBase },
    ports,
  });
  const progress = new ProgressStore({ cluster: local.cluster, logger, periodMs: progressPeriodMs });
  endpoint = createProgressEndpoint(progress, async (token) =>
    sameSecret(token, secret) ? 'a pod of this run' : undefined,
  );
  const controller = await startController({
    cluster: local.cluster,
    settings,
    progress,
    logger,
    now: () => new Date(),
  });
  return {
    ...local,
    async stop(graceMs) {
      await controller.stop();
      await local.stop(graceMs);
      await close();
      await new Promise((resolve) => log.end(resolve));
    },
  };
}

function sameSecret(given: string, secret: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(secret)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function listen(
  fetch: (request: Request) => Response | Promise<Response>,
): Promise<{ port: number; close(): Promise<void> }> {
  return new Promise((resolve) => {
    const server = serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
      resolve({ port, close: () => new Promise((done) => server.close(() => done())) }),
    );
  });
}
