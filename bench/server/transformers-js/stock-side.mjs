/** Stock onnxruntime-node as a side: session.run(), keys and values out of one run into the next. Usage as side.mjs. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { answerQuestions } from '../side-process.ts';
import { chunksOf } from './chunks.mjs';

const [folder, threads] = process.argv.slice(2);
const session = await InferenceSession.create(`${folder}/onnx/model_q4.onnx`, {
  intraOpNumThreads: Number(threads),
});
const pastNames = session.inputNames.filter((name) => name.startsWith('past_key_values.'));
const shapes = new Map(session.inputMetadata.map(({ name, shape }) => [name, shape]));
let past = {};

function startAnew() {
  past = {};
  for (const name of pastNames) {
    const [, heads, , size] = shapes.get(name);
    past[name] = new Tensor('float32', new Float32Array(0), [1, heads, 0, size]);
  }
}

/** The most likely next token. */
async function step(ids, length) {
  const outputs = await session.run({
    input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]),
    attention_mask: new Tensor('int64', new BigInt64Array(length).fill(1n), [1, length]),
    ...past,
  });
  for (const name of pastNames) past[name] = outputs[name.replace('past_key_values', 'present')];
  const { data, dims } = outputs.logits;
  const last = data.subarray(data.length - dims[2]);
  return last.reduce((best, value, id) => (value > last[best] ? id : best), 0);
}

async function* generate({ held, ids, count }) {
  if (held.length === 0) startAnew();
  let { length } = held;
  let next;
  for (const chunk of chunksOf(ids)) {
    length += chunk.length;
    next = await step(chunk, length);
  }
  for (let drawn = 0; drawn < count; drawn++) {
    yield next;
    if (drawn + 1 < count) next = await step([next], ++length);
  }
}

await answerQuestions(generate);
