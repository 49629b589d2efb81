/** Clients that ask without a pause, and compare what they get with what each request gets alone. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Answer, readAnswer } from './answer.ts';
import { type LoadRequest, numbers } from './requests.ts';
import type { ServerProcess } from './server-process.ts';

export interface LoadCounts {
  right: number;
  tokens: number;
  /** Refused with 429 and a retry-after, and asked again later. */
  refused: number;
  /** The client went away amid its answer. */
  left: number;
}

export interface Load extends LoadCounts {
  /** What must not happen, in words; the first few of them. */
  readonly wrong: string[];
  wrongCount: number;
}

export interface ReferencedRequest extends LoadRequest {
  readonly answer: Answer;
}

const leavingShare = 0.05;
const maxWrongKept = 10;
/** A client that was told to wait a second would not make load. */
const retryMs = 200;

export async function askAlone(
  server: ServerProcess,
  requests: readonly LoadRequest[],
): Promise<ReferencedRequest[]> {
  const answered: ReferencedRequest[] = [];
  for (const request of requests) {
    const response = await server.post(request.path, request.body);
    if (response.status !== 200) throw new Error(`asked alone: ${response.status} ${await response.text()}`);
    answered.push({ ...request, answer: await readAnswer(response, request.body.stream) });
  }
  return answered;
}

export async function runClients(
  server: ServerProcess,
  requests: readonly ReferencedRequest[],
  { clients, seconds }: { readonly clients: number; readonly seconds: number },
  onCounts: (load: Load) => void = () => undefined,
): Promise<Load> {
  const load: Load = { right: 0, tokens: 0, refused: 0, left: 0, wrong: [], wrongCount: 0 };
  const deadline = performance.now() + 1000 * seconds;
  const report = setInterval(() => onCounts(load), 10_000);
  const client = async (_: unknown, seed: number): Promise<void> => {
    const random = numbers(1 + seed);
    while (performance.now() < deadline) {
      const request = requests[Math.floor(random() * requests.length)];
      if (!request) throw new RangeError('no requests');
      const leaves = random() < leavingShare;
      await askOnce(server, request, leaves, load).catch((error: unknown) => {
        load.wrongCount += 1;
        if (load.wrong.length < maxWrongKept) load.wrong.push(`${request.path}: ${reasonOf(error)}`);
      });
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  clearInterval(report);
  return load;
}

async function askOnce(
  server: ServerProcess,
  request: ReferencedRequest,
  leaves: boolean,
  load: Load,
): Promise<void> {
  const leaving = new AbortController();
  if (leaves) setTimeout(() => leaving.abort(), retryMs);
  try {
    const response = await server.post(request.path, request.body, leaving.signal);
    if (response.status === 429) {
      await response.arrayBuffer();
      if (response.headers.get('retry-after') === null) throw new Error('429 without retry-after');
      load.refused += 1;
      await sleep(retryMs);
      return;
    }
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    const answer = await readAnswer(response, request.body.stream);
    if (!isDeepStrictEqual(answer, request.answer)) throw new Error(difference(answer, request.answer));
    load.right += 1;
    load.tokens += answer.tokens.length;
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
    load.left += 1;
  }
}

function difference(got: Answer, alone: Answer): string {
  const at = alone.logprobs.findIndex((logprob, i) => logprob !== got.logprobs[i]);
  return `not the answer of a single run: from token ${at} of ${alone.tokens.length} (got ${got.tokens.length}), ${got.finishReason} and ${alone.finishReason}`;
}

/** fetch wraps what went wrong with the connection. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
