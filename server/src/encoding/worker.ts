/** The thread of an Encoder: texts in, token ids out. */
import { parentPort, workerData } from 'node:worker_threads';
import { openTokenizer } from '@longpo/tokens';
import type { EncodeJob, EncodeResult } from './encoder.ts';

const tokenizer = await openTokenizer(workerData as string);

parentPort?.on('message', ({ job, text, options }: EncodeJob) => {
  const ids = Uint32Array.from(tokenizer.encode(text, options));
  parentPort?.postMessage({ job, ids } satisfies EncodeResult, [ids.buffer]);
});
