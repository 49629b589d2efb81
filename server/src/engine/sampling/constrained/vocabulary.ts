/** The tokens of a model as the bytes of their text. */
import * as z from 'zod';

/** How a tokenizer.json writes bytes. */
type Notation = 'byte_level' | 'byte_fallback' | 'raw';

const tokenizerFile = z.object({
  model: z.object({
    // Not z.record: a hundred thousand entries that only this file reads.
    vocab: z.custom<Record<string, number>>((value) => typeof value === 'object' && value !== null, {
      error: 'must map tokens to ids',
    }),
  }),
  added_tokens: z.array(z.object({ id: z.int(), content: z.string(), special: z.boolean() })).default([]),
  decoder: z.unknown(),
});

/** By id; none where a grammar must never choose the token: special ones, and ids without one. */
export function readTokenBytes(tokenizer: string, size: number): Uint8Array[] {
  const file = tokenizerFile.parse(JSON.parse(tokenizer));
  const notation = notationOf(file.decoder);
  const tokens = Array.from({ length: size }, () => new Uint8Array());
  for (const [token, id] of Object.entries(file.model.vocab))
    if (id < size) tokens[id] = bytesOf(token, notation);
  // Added tokens stand in the file as plain text.
  for (const { id, content, special } of file.added_tokens)
    if (id < size) tokens[id] = special ? new Uint8Array() : Buffer.from(content);
  return tokens;
}

function notationOf(decoder: unknown): Notation {
  const text = JSON.stringify(decoder ?? null);
  if (text.includes('"ByteLevel"')) return 'byte_level';
  return text.includes('"ByteFallback"') ? 'byte_fallback' : 'raw';
}

function bytesOf(token: string, notation: Notation): Uint8Array<ArrayBuffer> {
  if (notation === 'byte_level') return Uint8Array.from(token, (letter) => bytesOfLetters.get(letter) ?? 0);
  if (notation === 'raw') return Uint8Array.from(Buffer.from(token));
  const [, hex] = /^<0x([0-9A-F]{2})>$/.exec(token) ?? [];
  // SentencePiece writes a space as U+2581.
  const text = token.replaceAll('\u2581', ' ');
  return hex === undefined ? Uint8Array.from(Buffer.from(text)) : Uint8Array.of(Number.parseInt(hex, 16));
}

/** GPT-2's alphabet of bytes: printable ones as they are, the others from U+0100 on. */
const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

const byteLetters: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
})();

const bytesOfLetters: ReadonlyMap<string, number> = new Map(
  byteLetters.map((letter, byte) => [letter, byte]),
);
