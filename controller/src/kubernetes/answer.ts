/** The body of an answer: JSON when the call succeeded, an ApiError when not. */
import type { IncomingMessage } from 'node:http';
import { apiError, ConnectionError } from './api-error.ts';

const maxBytes = 256 * 1024 * 1024;

export async function readAnswer(response: IncomingMessage): Promise<unknown> {
  const text = await readText(response);
  const status = response.statusCode ?? 0;
  const isOk = status >= 200 && status < 300;
  let body: unknown = text;
  try {
    body = text === '' ? undefined : JSON.parse(text);
  } catch (cause) {
    if (isOk) throw new ConnectionError('the answer is not JSON', { cause });
  }
  if (!isOk) throw apiError(status, body, response.headers['retry-after']);
  return body;
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`);
    }
  } catch (cause) {
    throw new ConnectionError('the answer broke off', { cause });
  }
  return Buffer.concat(chunks).toString('utf8');
}
