/**
 * Our engine against llama.cpp on the same GGUF weights, in turn in one run: prefill and decode at two lengths. Ours
 * quantises the de-quantised weights again (4 and 8 bits); llama.cpp reads its Q4_1 file.
 */
import { availableParallelism } from 'node:os';
import { table } from '../cli/src/live/table.ts';
import { defaultSampling } from '../server/src/engine/sampling/settings.ts';
import { openEngine } from '../server/src/index.ts';
import { startJsonProcess } from './json-lines.ts';
import { installLlamaCpp, llamaCppFolder } from './llama-cpp/install.ts';
import { median, spread } from './median.ts';

export interface ServingInputs {
  model: string;
  gguf: string;
  cache: string;
}

const lengths = [512, 4096];
const answerTokens = 64;
const rounds = 3;
const context = 8192;

interface Speeds {
  prefill: number[];
  decode: number[];
}

interface Side {
  name: string;
  measure(
    prompt: number,
    offset: number,
  ): Promise<{ prefillSeconds: number; decodeSeconds: number; decoded: number }>;
  end(): Promise<void>;
}

async function llamaCpp(gguf: string, threads: number): Promise<Side> {
  installLlamaCpp();
  const child = await startJsonProcess(
    process.execPath,
    ['measure.mjs', gguf, String(context), String(threads)],
    llamaCppFolder,
  );
  return {
    name: 'llama.cpp Q4_1',
    async measure(prompt, offset) {
      const {
        prefillSeconds = 0,
        decodeSeconds = 0,
        decoded = 0,
      } = await child.ask({ prompt, answer: answerTokens, offset });
      return { prefillSeconds, decodeSeconds, decoded };
    },
    async end() {
      child.end();
    },
  };
}

async function ours(
  { model, cache }: ServingInputs,
  quantization: 'int4' | 'int8',
  threads: number,
): Promise<Side> {
  const engine = await openEngine({
    directory: model,
    quantization,
    cache,
    maxModelLen: context,
    ropeTheta: null,
    parallelSequences: 1,
    threads,
  });
  return {
    name: `longpo ${quantization}`,
    async measure(prompt, offset) {
      const promptIds = Array.from({ length: prompt }, (_, i) => 100 + ((i * 7919 + offset) % 40_000));
      const started = performance.now();
      let first = 0;
      let decoded = -1;
      const request = {
        ...defaultSampling,
        promptIds,
        maxTokens: answerTokens + 1,
        temperature: 0,
        ignoreEos: true,
      };
      for await (const _ of engine.generate(request).tokens) {
        first ||= performance.now();
        decoded++;
      }
      return {
        prefillSeconds: (first - started) / 1000,
        decodeSeconds: (performance.now() - first) / 1000,
        decoded,
      };
    },
    end: () => engine.close(),
  };
}

export async function benchServing(inputs: ServingInputs): Promise<void> {
  const threads = availableParallelism();
  const sides = [
    await ours(inputs, 'int4', threads),
    await ours(inputs, 'int8', threads),
    await llamaCpp(inputs.gguf, threads),
  ];
  const rows: string[][] = [];
  for (const prompt of lengths) {
    const speeds = new Map(sides.map((side): [string, Speeds] => [side.name, { prefill: [], decode: [] }]));
    for (let round = 0; round <= rounds; round++) {
      for (const side of sides) {
        // Another prompt each round, or a kept prefix would be measured; the first round only warms up.
        const { prefillSeconds, decodeSeconds, decoded } = await side.measure(prompt, 1 + round * 104_729);
        if (round === 0) continue;
        speeds.get(side.name)?.prefill.push(prompt / prefillSeconds);
        speeds.get(side.name)?.decode.push(decoded / decodeSeconds);
      }
    }
    const peer = speeds.get('llama.cpp Q4_1');
    for (const [name, { prefill, decode }] of speeds) {
      const ratio = (mine: number[], theirs: number[] = []) => (median(mine) / median(theirs)).toFixed(2);
      rows.push([
        String(prompt),
        name,
        spread(prefill),
        ratio(prefill, peer?.prefill),
        spread(decode),
        ratio(decode, peer?.decode),
      ]);
    }
  }
  for (const side of sides) await side.end();
  process.stdout.write(
    `\nServing, ${threads} threads, tokens/s as median (min to max) of ${rounds}, ratio to llama.cpp\n`,
  );
  process.stdout.write(`${table(['context', 'engine', 'prefill', 'x', 'decode', 'x'], rows)}\n`);
}
