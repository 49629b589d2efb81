import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { byteTokenizer, testApp } from './fixture.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

it.each([false, true])('reaches the engine after a garbage collection (stream: %s)', async (stream) => {
  const { chat, engine } = testApp(await byteTokenizer(), 'xyz');
  const client = new AbortController();
  engine.beforeToken = async (index) => {
    if (index !== 1) return;
    // A weak reference holds until the end of the turn in which it was made.
    await nextTurn();
    collectGarbage();
    await nextTurn();
    client.abort();
  };
  await (await chat({ stream }, { signal: client.signal })).text();
  expect(engine.ends).toEqual(['abort']);
});
