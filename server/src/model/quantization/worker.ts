/** Thread entry: quantises its share of the parts and posts the source bytes done. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Part } from './plan.ts';
import { writeParts } from './writer.ts';

export interface WorkerTask {
  readonly path: string;
  readonly parts: readonly Part[];
}

const task: WorkerTask = workerData;
writeParts(task.path, task.parts, (bytes) => parentPort?.postMessage(bytes));
