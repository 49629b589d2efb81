/**
 * llama.cpp through node-llama-cpp as a process: reads {"prompt": n, "answer": n} lines, answers each with seconds.
 * Usage: node measure.mjs MODEL.gguf CONTEXT THREADS
 */
import { createInterface } from 'node:readline';
import { getLlama } from 'node-llama-cpp';

const [modelPath, context, threads] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: Number(threads), logLevel: 'error' });
const model = await llama.loadModel({ modelPath });
const { sequence, reset } = await open();

async function open() {
  const opened = await model.createContext({
    contextSize: Number(context),
    threads: Number(threads),
    batchSize: 512,
  });
  const first = opened.getSequence();
  return { sequence: first, reset: () => first.clearHistory() };
}

async function measure({ prompt, answer, offset }) {
  await reset();
  const tokens = Array.from({ length: prompt }, (_, i) => 100 + ((i * 7919 + offset) % 40_000));
  const started = performance.now();
  let first;
  let count = 0;
  for await (const _ of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
    first ??= performance.now();
    if (++count > answer) break;
  }
  const ended = performance.now();
  return {
    prefillSeconds: (first - started) / 1000,
    decodeSeconds: (ended - first) / 1000,
    decoded: count - 1,
  };
}

process.stdout.write('{"ready":true}\n');
for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await measure(JSON.parse(line)))}\n`);
process.exit(0);
