/** How long /healthz takes while the server reads a long prompt: what an orchestrator's probe would wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import { numbers, randomText } from './requests.ts';
import type { ServerProcess } from './server-process.ts';

/** Between two probes; they share one connection. */
const pauseMs = 5;

/** Milliseconds of every probe that began while a prompt was read; `prompts` of them, one after the other. */
export async function probeWhileReading(
  server: ServerProcess,
  promptCharacters: number,
  prompts: number,
): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < prompts; i++) {
    const prompt = randomText(numbers(100 + i), promptCharacters);
    let reading = true;
    const answer = server.complete({ prompt, max_tokens: 1, temperature: 0 }).finally(() => {
      reading = false;
    });
    while (reading) {
      const begun = performance.now();
      await (await fetch(`${server.url}/healthz`)).text();
      times.push(performance.now() - begun);
      await sleep(pauseMs);
    }
    await answer;
  }
  return times;
}

/** The value that a share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
