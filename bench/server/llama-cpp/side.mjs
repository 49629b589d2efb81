/** llama.cpp through node-llama-cpp as a side. Usage: node side.mjs MODEL.gguf CONTEXT SEQUENCES THREADS */
import { getLlama } from 'node-llama-cpp';
import { answerQuestions } from '../side-process.ts';

const [modelPath, ...numbers] = process.argv.slice(2);
const [contextSize, count, threads] = numbers.map(Number);
// Its own guess of the cores is zero on some virtual machines, and then it waits for ever.
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' });
const model = await llama.loadModel({ modelPath });
// The context size is that of each sequence.
const context = await model.createContext({ contextSize, sequences: count, threads, batchSize: 512 });
const sequences = Array.from({ length: count }, () => context.getSequence());

async function* generate({ sequence, held, ids }) {
  if (held.length === 0) await sequences[sequence].clearHistory();
  yield* sequences[sequence].evaluate([...ids], { temperature: 0, yieldEogToken: true });
}

await answerQuestions(generate);
