/** transformers.js as a side: its generate(). Usage: node side.mjs FOLDER THREADS, the folder as models.ts makes it. */
import { basename, dirname } from 'node:path';
import { AutoModelForCausalLM, env, Tensor } from '@huggingface/transformers';
import { answerQuestions } from '../side-process.ts';
import { chunksOf } from './chunks.mjs';

const [folder, threads] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = `${dirname(folder)}/`;
const model = await AutoModelForCausalLM.from_pretrained(basename(folder), {
  device: 'cpu',
  dtype: 'q4',
  session_options: { intraOpNumThreads: Number(threads) },
});
let cache = null;

/** generate() tells of its tokens by calls. */
class Tokens {
  #drawn = [];
  #wake = () => {};
  #isPrompt = true;

  put([ids]) {
    if (!this.#isPrompt) this.#drawn.push(Number(ids.at(-1)));
    this.#isPrompt = false;
    this.#wake();
  }

  end() {}

  async *take(count) {
    for (let taken = 0; taken < count; taken++) {
      while (this.#drawn.length === 0) await new Promise((resolve) => (this.#wake = resolve));
      yield this.#drawn.shift();
    }
  }
}

/** `ids` from the start of the text: what the cache holds of them is not read again. */
async function run(ids, count, streamer) {
  const shape = [1, ids.length];
  const result = await model.generate({
    inputs: new Tensor('int64', BigInt64Array.from(ids, BigInt), shape),
    // Left out, it would be made as long as the cache and all ids together, and all ids would be read again.
    attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), shape),
    past_key_values: cache,
    max_new_tokens: count,
    do_sample: false,
    eos_token_id: null,
    return_dict_in_generate: true,
    streamer,
  });
  cache = result.past_key_values;
  const expected = ids.length + count - 1;
  if (cache.get_seq_length() !== expected)
    throw new Error(`${cache.get_seq_length()} positions, not ${expected}`);
}

async function* generate({ held, ids, count }) {
  if (held.length === 0) cache = null;
  const read = [...held];
  // Each chunk draws a token too, which nobody takes: logits of the whole prompt at once would take gigabytes.
  for (const chunk of chunksOf(ids).slice(0, -1)) {
    read.push(...chunk);
    await run(read, 1);
  }
  const tokens = new Tokens();
  const done = run([...held, ...ids], count, tokens);
  yield* tokens.take(count);
  await done;
}

await answerQuestions(generate);
