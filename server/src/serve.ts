/** One model behind one port: listens at once, loads, warms up, then says it is ready. */
import { availableParallelism } from 'node:os';
import { serve } from '@hono/node-server';
import type { ServeConfig } from '@longpo/api';
import { openTokenizer } from '@longpo/tokens';
import { bodyBytesOf, createApp, type Served } from './api/app.ts';
import type { Engine } from './engine/engine.ts';
import { openEngine } from './engine/open-engine.ts';
import { createMetrics } from './metrics.ts';

export interface ServerOptions extends ServeConfig {
  host: string;
  port: number;
  log(values: Record<string, unknown>): void;
}

export interface RunningServer {
  /** http://host:port */
  url: string;
  /** Stops accepting, lets running requests end for up to graceMs, frees the model. */
  close(graceMs: number): Promise<void>;
}

/** The address is in use; another port is the fix. */
export class PortInUseError extends Error {
  readonly code = 'PORT_IN_USE';
}

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { model, servedModelName, host, port, log } = options;
  let served: Served | undefined;
  let engine: Engine | undefined;
  let percent = 0;
  const metrics = createMetrics(servedModelName, () => engine);
  const app = createApp({
    load: { served: () => served, percent: () => percent },
    metrics,
    maxBodyBytes: () => bodyBytesOf(engine?.maxModelLen ?? 0),
    log,
  });
  const http = await listen(app.fetch, host, port);
  try {
    const tokenizer = await openTokenizer(model);
    engine = await openEngine({
      directory: model,
      quantization: options.quantization,
      cache: options.cache,
      maxModelLen: options.maxModelLen,
      ropeTheta: options.ropeTheta,
      parallelSequences: options.parallelSequences,
      threads: availableParallelism(),
      onLoad(completed, total) {
        percent = Math.floor((100 * completed) / total);
      },
    });
    await warmUp(engine, tokenizer.chat([{ role: 'user', content: 'Hello' }]));
    served = { name: servedModelName, engine, tokenizer, metrics };
    log({ msg: 'ready', url: http.url, model, digest: engine.digest, maxModelLen: engine.maxModelLen });
  } catch (error) {
    await http.close(0);
    await engine?.close();
    throw error;
  }
  const loaded = engine;
  return {
    url: http.url,
    async close(graceMs) {
      served = undefined;
      await http.close(graceMs);
      await loaded.close();
    },
  };
}

/** A first run touches every page of the weights; only then is the answer time what it will be. */
async function warmUp(engine: Engine, promptIds: number[]): Promise<void> {
  const request = {
    promptIds,
    maxTokens: 1,
    temperature: 0,
    topP: 1,
    topK: 0,
    seed: 0,
    stopTokenIds: [],
    ignoreEos: true,
  };
  for await (const _ of engine.generate({ ...request, topLogprobs: null }).tokens);
}

type Fetch = (request: Request) => Response | Promise<Response>;

function listen(
  fetch: Fetch,
  hostname: string,
  port: number,
): Promise<{ url: string; close(graceMs: number): Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, hostname, port }, (info) =>
      resolve({
        url: `http://${hostname}:${info.port}`,
        close: (graceMs) =>
          new Promise((done) => {
            const cut = setTimeout(
              () => 'closeAllConnections' in server && server.closeAllConnections(),
              graceMs,
            );
            server.close(() => {
              clearTimeout(cut);
              done();
            });
            if ('closeIdleConnections' in server) server.closeIdleConnections();
          }),
      }),
    );
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new PortInUseError(
              `${hostname}:${port} is taken: stop what listens there, or choose another port`,
            )
          : error,
      ),
    );
  });
}
