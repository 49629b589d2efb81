/**
 * llama.cpp behind the part of OpenAI's API that the generator uses: GET /v1/models, POST /v1/chat/completions.
 * Usage: node openai-front.mjs MODEL.gguf PORT. One request at a time; prints {"ready":true} when it listens.
 */
import { createServer } from 'node:http';
import { getLlama, LlamaChatSession } from 'node-llama-cpp';

const [modelPath, port] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 4096 });
const sequence = context.getSequence();

async function answer({ messages, max_tokens: maxTokens, temperature, top_p: topP, seed }) {
  await sequence.clearHistory();
  const session = new LlamaChatSession({ contextSequence: sequence });
  const prompt = messages.at(-1).content;
  const content = await session.prompt(prompt, { maxTokens, temperature, topP, seed });
  session.dispose({ disposeSequence: false });
  const [prompt_tokens, completion_tokens] = [prompt, content].map((text) => model.tokenize(text).length);
  return {
    id: 'chatcmpl-llama',
    object: 'chat.completion',
    created: 0,
    model: 'llama',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', logprobs: null }],
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
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
