/** Documents of a folder: every .txt and .md file is one, every line of a .jsonl file is one. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GenerateError } from './errors.ts';
import { readLines } from './lines.ts';
import { sha256 } from './seed.ts';

export interface Document {
  /** Path below the folder, with the line number for .jsonl. */
  source: string;
  text: string;
}

/** Names that start with a dot are not the user's: a mounted ConfigMap keeps its copies in `..data`. */
const isHidden = (path: string): boolean => path.split('/').some((name) => name.startsWith('.'));

async function filesOf(folder: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder, { recursive: true });
  } catch (error) {
    throw new GenerateError('DOCUMENTS_NOT_FOUND', `documents: ${folder}: ${(error as Error).message}`);
  }
  const wanted = names.filter((name) => /\.(txt|md|jsonl)$/.test(name) && !isHidden(name)).toSorted();
  const kinds = await Promise.all(wanted.map((name) => stat(join(folder, name)))); // follows links
  return wanted.filter((_, i) => kinds[i]?.isFile());
}

/** A line is a JSON string, or an object with the text as `text`. */
function parseLine(line: string, source: string): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new GenerateError('DOCUMENT_INVALID', `${source} is not JSON: ${(error as Error).message}`);
  }
  const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : value;
  if (typeof text === 'string') return text.toWellFormed();
  throw new GenerateError(
    'DOCUMENT_INVALID',
    `${source}: expected a JSON string, or an object with a string "text"`,
  );
}

function decode(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new GenerateError('DOCUMENT_INVALID', `${source} is not UTF-8 text: convert it, or take it away`);
  }
}

async function* documentsOfFile(folder: string, name: string): AsyncGenerator<Document> {
  const path = join(folder, name);
  if (!name.endsWith('.jsonl')) {
    yield { source: name, text: decode(await readFile(path), name) };
    return;
  }
  let number = 0;
  for await (const { bytes } of readLines(path)) {
    const source = `${name}:${++number}`;
    const line = decode(bytes, source);
    if (line.trim() !== '') yield { source, text: parseLine(line, source) };
  }
}

/** One at a time, in the order of their paths, so that a corpus need not fit the memory. */
export async function* readDocuments(folder: string): AsyncGenerator<Document> {
  for (const name of await filesOf(folder))
    for await (const document of documentsOfFile(folder, name)) {
      if (document.text.trim() !== '') yield document;
    }
}

export interface DocumentsSummary {
  count: number;
  digest: string;
}

/** Reads them all once: an unreadable one shows before the first request, and the digest tells them from others. */
export async function summarizeDocuments(folder: string): Promise<DocumentsSummary> {
  const hash = createHash('sha256');
  let count = 0;
  for await (const { source, text } of readDocuments(folder)) {
    hash.update(JSON.stringify([source, sha256(text)]));
    count++;
  }
  if (count > 0) return { count, digest: hash.digest('hex') };
  throw new GenerateError(
    'DOCUMENTS_EMPTY',
    `documents: ${folder} has no text: put .txt, .md or .jsonl files there`,
  );
}
