/**
 * A side of a comparison, as a process: it is asked with one JSON line and answers with one (side.ts is the asker).
 * What reads and draws tokens is given; the clock, and what each sequence holds, are the same for every side.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** `ids` follow on what the sequence has read, which is `held`; none is a sequence that starts anew. */
export interface Continuation {
  sequence: number;
  held: readonly number[];
  ids: readonly number[];
  /** New tokens that will be taken, greedily and past any end of text. */
  count: number;
}

export type Generate = (continuation: Continuation) => AsyncIterable<number>;

/** Reads `prefill` on a sequence; or decodes so many tokens on each of the first so many sequences at once. */
export type Question =
  | { prefill: readonly number[]; sequence: number }
  | { decode: number; sequences: number };

export interface Answer {
  /** prefill: to the first token. decode: while all sequences gave tokens. */
  seconds: number;
  /** Prompt tokens, or all tokens that came within `seconds`. */
  tokens: number;
  /** Without file pages, which the kernel drops and reads again as it likes. */
  residentBytes: number;
}

export async function answerQuestions(generate: Generate): Promise<never> {
  // The last token of each was drawn and not read yet.
  const sequences: number[][] = [];

  async function draw(continuation: Continuation): Promise<number[]> {
    const stamps: number[] = [];
    const drawn: number[] = [];
    for await (const id of generate(continuation)) {
      stamps.push(performance.now());
      drawn.push(id);
      if (drawn.length === continuation.count) break;
    }
    const { sequence, held, ids, count } = continuation;
    if (drawn.length < count) throw new Error(`${drawn.length} tokens of ${count}`);
    sequences[sequence] = [...held, ...ids, ...drawn];
    return stamps;
  }

  async function answer(question: Question): Promise<Answer> {
    if ('prefill' in question) {
      const { prefill: ids, sequence } = question;
      const started = performance.now();
      const [first = Number.NaN] = await draw({ sequence, held: [], ids, count: 1 });
      return { seconds: (first - started) / 1000, tokens: ids.length, residentBytes: residentBytes() };
    }
    const stamps = await Promise.all(
      sequences.slice(0, question.sequences).map((text, sequence) => {
        const continuation = { held: text.slice(0, -1), ids: text.slice(-1) };
        return draw({ ...continuation, sequence, count: question.decode + 1 });
      }),
    );
    return { ...sharedWindow(stamps), residentBytes: residentBytes() };
  }

  process.stdout.write('{"ready":true}\n');
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Question))}\n`);
  process.exit(0);
}

function residentBytes(): number {
  // Where the process was started for it: what is garbage, and pages of a heap that was larger, say nothing of the engine.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  const status = readFileSync('/proc/self/status', 'utf8');
  return residentBytesOf(status);
}

export function residentBytesOf(status: string): number {
  const kibibytes = [...status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)].map(([, digits]) =>
    Number(digits),
  );
  return 1024 * kibibytes.reduce((sum, value) => sum + value, 0);
}

/** From when every sequence has its first token until the first of them ends: what came in that time. */
export function sharedWindow(stamps: readonly (readonly number[])[]): { seconds: number; tokens: number } {
  const from = Math.max(...stamps.map((times) => times[0] ?? Number.NaN));
  const to = Math.min(...stamps.map((times) => times.at(-1) ?? Number.NaN));
  const tokens = stamps.flat().filter((time) => time > from && time <= to).length;
  return { seconds: (to - from) / 1000, tokens };
}
