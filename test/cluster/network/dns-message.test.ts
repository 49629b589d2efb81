import { expect, it } from 'vitest';
import { decodeQuestion, encodeAnswer, encodeName, type Question, recordTypes } from './dns-message.ts';

/** A query as glibc sends it. */
function query(name: string, type: number, id = 0x1234): Buffer {
  const header = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, encodeName(name), Buffer.of(0, type, 0, 1)]);
}

function questionOf(message: Buffer): Question {
  const question = decodeQuestion(message);
  if (question === undefined) throw new Error('no question');
  return question;
}

it('reads id, name and type of a question, and keeps its bytes', () => {
  const message = query('Web.default.svc.cluster.local', recordTypes.A);
  expect(decodeQuestion(message)).toEqual({
    id: 0x1234,
    name: 'Web.default.svc.cluster.local',
    type: 1,
    bytes: message.subarray(12),
  });
});

it('takes nothing for a question that is cut, compressed, an answer, or two questions', () => {
  const message = query('a.b', recordTypes.A);
  const answer = Buffer.from(message);
  answer[2] = 0x81;
  const two = Buffer.from(message);
  two[5] = 2;
  const pointer = Buffer.from(message);
  pointer[12] = 0xc0;
  const wrong = [Buffer.alloc(3), ...[...message.keys()].map((end) => message.subarray(0, end)), answer, two];
  expect([...wrong, pointer].map(decodeQuestion).filter((question) => question !== undefined)).toEqual([]);
});

it('writes an address as RFC 1035 has it', () => {
  const question = questionOf(query('a.b', recordTypes.A));
  const bytes = encodeAnswer(
    question,
    { code: 0, records: [{ type: 'A', name: 'a.b', address: '10.244.1.2' }] },
    512,
  );
  const name = [1, 97, 1, 98, 0];
  expect([...bytes]).toEqual([
    ...[0x12, 0x34, 0x85, 0x00, 0, 1, 0, 1, 0, 0, 0, 0],
    ...[...name, 0, 1, 0, 1],
    ...[...name, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 244, 1, 2],
  ]);
});

it('writes the port of a service record before its target', () => {
  const question = questionOf(query('s', recordTypes.SRV));
  const record = { type: 'SRV' as const, name: 's', target: 't', port: 8080 };
  const bytes = encodeAnswer(question, { code: 0, records: [record] }, 512);
  const priority = [0, 0];
  const weight = [0, 100];
  expect([...bytes.subarray(-11)]).toEqual([0, 9, ...priority, ...weight, 0x1f, 0x90, 1, 116, 0]);
});

it('gives the code of a name that does not exist', () => {
  const bytes = encodeAnswer(questionOf(query('a', 1)), { code: 3, records: [] }, 512);
  expect((bytes[3] ?? 0) & 0x0f).toBe(3);
});

it('sends an asker to TCP when the answer does not fit, and answers whole there', () => {
  const question = questionOf(query('many', recordTypes.A));
  const records = Array.from({ length: 50 }, (_, i) => ({
    type: 'A' as const,
    name: 'many',
    address: `10.244.1.${i}`,
  }));
  const cut = encodeAnswer(question, { code: 0, records }, 512);
  const whole = encodeAnswer(question, { code: 0, records }, 65_535);
  expect(
    [cut, whole].map((bytes) => [(bytes.readUInt16BE(2) & 0x0200) !== 0, bytes.readUInt16BE(6)]),
  ).toEqual([
    [true, 0],
    [false, 50],
  ]);
});
