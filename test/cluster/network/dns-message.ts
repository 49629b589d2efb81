/** Questions and answers of DNS as bytes (RFC 1035). Pure. One question a message; additional records are not read. */

export const recordTypes = { A: 1, CNAME: 5, PTR: 12, SRV: 33 } as const;
export const responseCodes = { ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3 } as const;

export interface Question {
  id: number;
  /** As it was asked: without the last dot, in any case. */
  name: string;
  type: number;
  /** The question's own bytes, which the answer repeats. */
  bytes: Buffer;
}

export type DnsRecord =
  | { type: 'A'; name: string; address: string }
  | { type: 'CNAME'; name: string; target: string }
  | { type: 'PTR'; name: string; target: string }
  | { type: 'SRV'; name: string; target: string; port: number };

export interface Answer {
  code: number;
  records: DnsRecord[];
}

const headerBytes = 12;
const internetClass = 1;
/** Endpoints come and go: nobody should remember an answer. */
const secondsToLive = 1;
const flags = { response: 0x8000, authoritative: 0x0400, truncated: 0x0200, recursionDesired: 0x0100 };

/** Undefined for what is no question. */
export function decodeQuestion(message: Buffer): Question | undefined {
  if (message.length < headerBytes || message.readUInt16BE(2) & flags.response) return undefined;
  if (message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = message[at];
    // Questions are never compressed: a length above 63 is a pointer or nonsense.
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    labels.push(message.toString('latin1', at, at + length));
    at += length;
  }
  const end = at + 4;
  if (message.length < end) return undefined;
  return {
    id: message.readUInt16BE(0),
    name: labels.join('.'),
    type: message.readUInt16BE(at),
    bytes: message.subarray(headerBytes, end),
  };
}

export function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([...labels.map((label) => withLength(Buffer.from(label, 'latin1'))), Buffer.of(0)]);
}

const withLength = (bytes: Buffer): Buffer => Buffer.concat([Buffer.of(bytes.length), bytes]);

function encodeRecord(record: DnsRecord): Buffer {
  const data = encodeData(record);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(recordTypes[record.type], 0);
  fixed.writeUInt16BE(internetClass, 2);
  fixed.writeUInt32BE(secondsToLive, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(record.name), fixed, data]);
}

function encodeData(record: DnsRecord): Buffer {
  if (record.type === 'A') return Buffer.from(record.address.split('.').map(Number));
  if (record.type !== 'SRV') return encodeName(record.target);
  const fixed = Buffer.alloc(6); // priority, weight, port
  fixed.writeUInt16BE(100, 2);
  fixed.writeUInt16BE(record.port, 4);
  return Buffer.concat([fixed, encodeName(record.target)]);
}

/** Where the answer is longer than `limit` bytes it says so and is empty: the asker comes back over TCP. */
export function encodeAnswer({ id, bytes }: Question, { code, records }: Answer, limit: number): Buffer {
  const encoded = records.map(encodeRecord);
  const length = headerBytes + bytes.length + encoded.reduce((sum, record) => sum + record.length, 0);
  const isTruncated = length > limit;
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  const truncated = isTruncated ? flags.truncated : 0;
  header.writeUInt16BE(flags.response | flags.authoritative | flags.recursionDesired | truncated | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isTruncated ? 0 : records.length, 6);
  return Buffer.concat([header, bytes, ...(isTruncated ? [] : encoded)]);
}
