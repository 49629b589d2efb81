/** `kubectl logs`: the log of a container's current or previous run, once or as it grows. */
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerLife } from '../../../cli/src/pod/index.ts';
import { logFileOf } from './pod-place.ts';

export interface LogQuery {
  isPrevious: boolean;
  follow: boolean;
  tailLines: number | undefined;
}

const pollMs = 100;

function lastLines(content: Buffer, count: number): Buffer {
  const lines = content.toString().split(/(?<=\n)/);
  return Buffer.from(lines.slice(Math.max(0, lines.length - count)).join(''));
}

export async function serveLog(
  container: ContainerLife,
  podFolder: string,
  { isPrevious, follow, tailLines }: LogQuery,
  response: ServerResponse,
): Promise<void> {
  const { record } = container;
  const run = isPrevious ? record.restartCount - 1 : record.restartCount;
  const file = logFileOf(podFolder, record.spec.name, run);
  if (!existsSync(file)) {
    response.statusCode = 400;
    const which = isPrevious ? 'previous terminated' : '';
    response.end(`${which} container "${record.spec.name}" has no log (yet)`.trim());
    return;
  }
  const content = readFileSync(file);
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.write(tailLines === undefined ? content : lastLines(content, tailLines));
  // Asked before reading on: what is written before the end must still be sent.
  let position = content.length;
  for (let isLive = follow; isLive && !response.destroyed; ) {
    isLive = container.process !== undefined && record.restartCount === run;
    for await (const chunk of createReadStream(file, { start: position })) {
      response.write(chunk);
      position += (chunk as Buffer).length;
    }
    if (isLive) await sleep(pollMs);
  }
  response.end();
}
