/** longpo serve DIR: one model folder behind an OpenAI-compatible endpoint. */
import { basename, join, resolve } from 'node:path';
import { exitCodes, type Quantization } from '@longpo/api';
import { failureOf, startServer } from '@longpo/server';
import { readConfig } from '../config.ts';
import { UserError } from '../errors.ts';
import { renderServing } from '../live/summary.ts';

export interface ServeOptions {
  port: number;
  host: string;
  quantization: Quantization;
  maxModelLen?: number;
  servedModelName?: string;
}

const graceMs = 20_000;

function asUserError(error: unknown): never {
  const failure = failureOf(error);
  if (failure === undefined) throw error;
  throw new UserError(failure.code, failure.message, failure.exitCode);
}

export async function serve(directory: string, options: ServeOptions): Promise<void> {
  const folder = resolve(directory);
  const servedModelName = options.servedModelName ?? basename(folder);
  const server = await startServer({
    model: folder,
    servedModelName,
    quantization: options.quantization,
    maxModelLen: options.maxModelLen ?? null,
    ropeTheta: null,
    cache: join(readConfig().cacheRoot, 'weights'),
    parallelSequences: 2,
    host: options.host,
    port: options.port,
    log: () => {},
  }).catch(asUserError);
  let stopping = false;
  const stop = () => {
    const closed = server.close(stopping ? 0 : graceMs);
    stopping = true;
    void closed.then(() => process.exit(exitCodes.done));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.stdout.write(`${renderServing(`${server.url}/v1`, servedModelName)}\n`);
}
