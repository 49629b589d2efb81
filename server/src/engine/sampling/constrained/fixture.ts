/** A vocabulary for tests of grammars: every byte, some longer pieces of JSON, and answers of random logits. */
import { byteSymbols } from '../../../../../tokens/src/fixture.ts';
import type { Constraint } from '../constraint.ts';
import type { Grammar } from '../grammar.ts';
import { createSampler } from '../sampler.ts';
import { defaultSampling } from '../settings.ts';
import { expressionOf } from './compile.ts';
import { CompiledGrammar, type ModelTokens, Place } from './held-grammar.ts';
import type { WorkerSettings } from './protocol.ts';
import { applyMask } from './token-mask.ts';
import { TokenTree } from './token-tree.ts';

const pieces = [
  '{"',
  '": ',
  ', "',
  '"}',
  '": "',
  '", "',
  '[[',
  ']}',
  'true',
  'null',
  '12',
  '0.5',
  'é',
  '日本',
  'ab',
];
const pieceBytes = pieces.map((piece) => [...Buffer.from(piece)]);
const bytesOf: readonly (readonly number[])[] = [
  ...Array.from({ length: 256 }, (_, byte) => [byte]),
  ...pieceBytes,
];
export const idOfPiece = (piece: string): number => 256 + pieces.indexOf(piece);
export const endId = bytesOf.length;
export const specialId = endId + 1;
/** More logits than tokens, as padded models have. */
export const vocabularySize = specialId + 8;

export function workerSettings(): WorkerSettings {
  const symbols = byteSymbols();
  const written = (bytes: readonly number[]): string => bytes.map((byte) => symbols[byte] ?? '').join('');
  const special = (id: number, content: string) => ({ id, content, special: true });
  const tokenizer = JSON.stringify({
    model: { vocab: Object.fromEntries(bytesOf.map((bytes, id) => [written(bytes), id])) },
    added_tokens: [special(endId, '<end>'), special(specialId, '<special>')],
    decoder: { type: 'ByteLevel' },
  });
  return { tokenizer, vocabularySize, eosTokenIds: [endId] };
}

const tokens: ModelTokens = (() => {
  const bytes = Array.from({ length: vocabularySize }, (_, id) => Uint8Array.from(bytesOf[id] ?? []));
  return { bytes, tree: new TokenTree(bytes), eosTokenIds: [endId] };
})();

/** Each call begins an answer; without a thread, as tests of many answers need it. */
export function heldTo(grammar: Grammar): () => Constraint {
  const compiled = new CompiledGrammar(expressionOf(grammar), tokens);
  return () => {
    const place = new Place(compiled, tokens);
    return {
      ready: () => undefined,
      apply: (logits) => applyMask(place.mask(), logits),
      accept: (token) => place.accept(token),
      close: () => undefined,
    };
  };
}

export const textOf = (ids: readonly number[]): string =>
  Buffer.from(ids.flatMap((id) => bytesOf[id] ?? [])).toString();

/** What closes is a little likelier, or random text would go on for long. */
const closing = new Set([...'"}]'].map((character) => character.charCodeAt(0)));

/** The text of an answer of random logits, null where it did not end in time. */
export function randomAnswer(
  constraint: Constraint,
  random: () => number,
  { start = '', maxTokens = 600 } = {},
): string | null {
  const sample = createSampler(
    { ...defaultSampling, seed: Math.floor(random() * 2 ** 32) },
    { promptIds: [], stopIds: new Set([endId]), constraint },
  );
  const ids = [...Buffer.from(start)];
  for (const id of ids) constraint.accept(id);
  while (ids.length < maxTokens) {
    const bias = (id: number): number => (closing.has(id) || id === endId ? 3 : 0);
    const { id } = sample(
      Float32Array.from({ length: vocabularySize }, (_, token) => random() + bias(token)),
    );
    if (id === endId) return textOf(ids);
    ids.push(id);
  }
  return null;
}
