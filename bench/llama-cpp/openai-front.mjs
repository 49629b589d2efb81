/**
 * llama.cpp behind the part of OpenAI's API that the generator uses: GET /v1/models, POST /v1/chat/completions.
 * Usage: node openai-front.mjs MODEL.gguf PORT. One request at a time; prints {"ready":true} when it listens.
 */
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import { getLlama } from 'node-llama-cpp';

const [modelPath, port] = process.argv.slice(2);
// Its own guess of the cores is zero on some virtual machines, and then it waits for ever.
const threads = availableParallelism();
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 4096, threads });
const sequence = context.getSequence();

/** ChatML, as the model was trained; its own system prompt comes first. */
function chatTokens(messages) {
  const system = 'You are a helpful AI assistant named SmolLM, trained by Hugging Face';
  const turns = [{ role: 'system', content: system }, ...messages];
  const text = turns.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('');
  return model.tokenize(`${text}<|im_start|>assistant\n`, true);
}

async function answer({ messages, max_tokens: maxTokens, temperature, top_p: topP, seed }) {
  await sequence.clearHistory();
  const prompt = chatTokens(messages);
  const tokens = [];
  for await (const token of sequence.evaluate(prompt, { temperature, topP, seed })) {
    tokens.push(token);
    if (tokens.length === maxTokens) break;
  }
  const content = model.detokenize(tokens);
  const usage = {
    prompt_tokens: prompt.length,
    completion_tokens: tokens.length,
    total_tokens: prompt.length + tokens.length,
  };
  return {
    id: 'chatcmpl-llama',
    object: 'chat.completion',
    created: 0,
    model: 'llama',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', logprobs: null }],
    usage,
  };
}

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

let last = Promise.resolve();
createServer(async (request, response) => {
  const send = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
  if (request.url === '/v1/models') return send({ object: 'list', data: [{ id: 'llama', object: 'model' }] });
  const asked = await body(request);
  last = last
    .then(() => answer(asked))
    .then(send, (error) => {
      response.statusCode = 500;
      send({ error: { message: String(error), type: 'server_error', param: null, code: null } });
    });
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('{"ready":true}\n'));
