/** The unmodified openai Python package against the real model. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureClientPython } from './python.ts';
import { contextLength, required, type ServedModel, servedName, serveModel } from './served-model.ts';

const run = promisify(execFile);
const minutes = 60_000;
let python: string;
let server: ServedModel;

beforeAll(async () => {
  python = ensureClientPython(required('LONGPO_PYTHON'));
  server = await serveModel();
}, 20 * minutes);
afterAll(() => server?.stop());

test('chats, streams, echoes, and knows its errors', async () => {
  const script = join(import.meta.dirname, 'openai_client.py');
  const { stdout } = await run(python, [script, `${server.url}/v1`, servedName, String(contextLength)]);
  const seen = JSON.parse(stdout);
  expect(seen).toEqual({
    models: [servedName],
    whole: expect.stringContaining('Paris'),
    streamed: seen.whole,
    usage: [seen.usage[0], seen.usage[0]],
    echo: [1, null],
    errors: {
      model: ['NotFoundError', 404, 'model_not_found', 'model'],
      length: ['BadRequestError', 400, 'context_length_exceeded', 'messages'],
      field: ['BadRequestError', 400, 'invalid_request', 'temperature'],
    },
  });
});
