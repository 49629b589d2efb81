import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineError } from '../../engine.ts';
import type { Constraint } from '../constraint.ts';
import { idOfPiece, vocabularySize, workerSettings } from './fixture.ts';
import { Grammars } from './grammars.ts';

let grammars: Grammars;
beforeAll(() => {
  grammars = new Grammars(workerSettings());
});
afterAll(() => grammars.close());

async function allowed(constraint: Constraint): Promise<number[]> {
  await constraint.ready();
  const logits = new Float32Array(vocabularySize);
  constraint.apply(logits);
  return [...logits.keys()].filter((id) => logits[id] === 0);
}

test('the first grammar waits for its thread without the event loop', async () => {
  const fresh = new Grammars(workerSettings());
  const constraint = fresh.constraint({ type: 'json_object' });
  expect(() => constraint.apply(new Float32Array(vocabularySize))).toThrow('the mask of the next token');
  expect(await allowed(constraint)).toEqual(['{'.charCodeAt(0), idOfPiece('{"')]);
  await fresh.close();
});

test('a mask is that of the last token, however many tokens were told at once', async () => {
  const constraint = grammars.constraint({ type: 'json_schema', schema: { const: 'abcdefgh' } });
  for (const [i, byte] of [...Buffer.from('"abcdefg')].entries()) {
    constraint.accept(byte);
    if (i % 3 === 2) expect(await allowed(constraint)).toEqual(['abcdefgh'.charCodeAt(i)]);
  }
  expect(await allowed(constraint)).toEqual(['h'.charCodeAt(0)]);
});

test('a thread that cannot read the model fails its answers', async () => {
  const broken = new Grammars({ ...workerSettings(), tokenizer: '' });
  await expect(allowed(broken.constraint({ type: 'json_object' }))).rejects.toThrow('JSON');
  await broken.close();
});

test('answers that wait for a thread that ends fail', async () => {
  const ending = new Grammars(workerSettings());
  const constraint = ending.constraint({ type: 'json_object' });
  const waiting = allowed(constraint);
  await ending.close();
  await expect(waiting).rejects.toThrow('the thread of the grammars has ended');
});

test('a schema that cannot be obeyed is refused before the answer, with the keyword and its place', () => {
  const grammar = {
    type: 'json_schema',
    schema: { properties: { a: { type: 'array', uniqueItems: true } } },
  } as const;
  const message = "the answer's format: uniqueItems at #/properties/a is not supported";
  expect(() => grammars.constraint(grammar)).toThrow(new EngineError('REQUEST_INVALID', message));
});
