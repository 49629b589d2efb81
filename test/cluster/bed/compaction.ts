/** Makes the past unknown, as a busy cluster does after a few minutes: older resource versions get 410. */
import * as z from 'zod';
import type { Bed } from './bed.ts';

const etcdPort = 2379;
const answerLimitMs = 10_000;
const statusSchema = z.object({ header: z.object({ revision: z.string() }) });

/** Compacts etcd and restarts the API server, which otherwise remembers what it has seen. Ends every watch. */
export async function forgetPast(bed: Bed): Promise<void> {
  const port = await bed.forward('127.0.0.1', etcdPort);
  const post = async (path: string, body: object): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(answerLimitMs),
    });
    if (!response.ok) throw new Error(`etcd ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const server = bed.component('kube-apiserver');
  await server.stop();
  const { header } = statusSchema.parse(await post('maintenance/status', {}));
  await post('kv/compaction', { revision: header.revision });
  await server.start();
}
