/** longpo serve DIR: one model folder behind an OpenAI-compatible endpoint. */
import { basename, join, resolve } from 'node:path';
import type { Quantization } from '@longpo/api';
import { startServer } from '@longpo/server';
import { readConfig } from '../config.ts';
import { renderServing } from '../live/summary.ts';

export interface ServeOptions {
  port: number;
  host: string;
  quantization: Quantization;
  maxModelLen?: number;
  servedModelName?: string;
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
  });
  process.stdout.write(`${renderServing(`${server.url}/v1`, servedModelName)}\n`);
}
