import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineError } from '../../engine.ts';
import type { Constraint } from '../constraint.ts';
import { idOfPiece, vocabularySize, writeVocabulary } from './fixture.ts';
import { Grammars } from './grammars.ts';

let grammars: Grammars;
beforeAll(async () => {
  grammars = new Grammars(await writeVocabulary());
});
afterAll(() => grammars.close());

async function allowed(constraint: Constraint): Promise<number[]> {
  await constraint.ready();
  const logits = new Float32Array(vocabularySize);
  constraint.apply(logits);
  return [...logits.keys()].filter((id) => logits[id] === 0);
}

test('the first grammar waits for its thread without the event loop', async () => {
  const fresh = new Grammars(await writeVocabulary());
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
  const settings = await writeVocabulary();
  await rm(settings.folder, { recursive: true });
  const broken = new Grammars(settings);
  await expect(allowed(broken.constraint({ type: 'json_object' }))).rejects.toThrow('ENOENT');
  await broken.close();
});

test('answers that wait for a thread that ends fail', async () => {
  const ending = new Grammars(await writeVocabulary());
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
