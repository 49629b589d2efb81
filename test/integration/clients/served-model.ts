/** The real model behind a port of this process, for the clients of the tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startServer } from '../../../server/src/index.ts';

export function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; npm test prepares it`);
  return value;
}

/** In float32, so that it computes what transformers computes. */
export const servedName = 'smol';
export const contextLength = 1024;

export interface ServedModel {
  readonly url: string;
  stop(): Promise<void>;
}

export async function serveModel(): Promise<ServedModel> {
  const folder = mkdtempSync(join(tmpdir(), 'longpo-clients-'));
  const server: RunningServer = await startServer({
    model: required('LONGPO_TEST_MODEL'),
    servedModelName: servedName,
    quantization: 'none',
    maxModelLen: contextLength,
    ropeTheta: null,
    cache: join(folder, 'cache'),
    parallelSequences: 2,
    host: '127.0.0.1',
    port: 0,
    log: () => undefined,
  });
  return {
    url: server.url,
    async stop() {
      await server.close(0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
