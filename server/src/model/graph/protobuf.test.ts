import { expect, test } from 'vitest';
import { Message } from './protobuf.ts';

const hex = (message: Message): string => Buffer.from(message.encode()).toString('hex');

test('an integer field is a tag and a varint, low groups first', () => {
  expect(hex(new Message().int(1, 150))).toBe('089601');
  expect(hex(new Message().int(1, 0))).toBe('0800');
  expect(hex(new Message().int(20, 1))).toBe('a00101');
});

test('a negative integer takes ten bytes', () => {
  expect(hex(new Message().int(3, -1))).toBe('18ffffffffffffffffff01');
});

test('64-bit integers keep every bit', () => {
  expect(hex(new Message().int(1, 2n ** 63n - 1n))).toBe('08ffffffffffffffff7f');
});

test('a float is four bytes, little endian', () => {
  expect(hex(new Message().float(2, 1))).toBe('150000803f');
});

test('strings, bytes and messages carry their length', () => {
  expect(hex(new Message().string(2, 'testing'))).toBe('120774657374696e67');
  expect(hex(new Message().bytes(9, Uint8Array.of(1, 2)))).toBe('4a020102');
  expect(hex(new Message().message(3, new Message().int(1, 150)))).toBe('1a03089601');
});

test('a nested message is written as it is when it is added', () => {
  const inner = new Message().int(1, 1);
  const outer = new Message().message(1, inner);
  inner.int(2, 2);
  expect(hex(outer)).toBe('0a020801');
});
