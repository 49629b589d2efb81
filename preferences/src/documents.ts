/** Documents of a folder: every .txt and .md file is one, every line of a .jsonl file is one. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { GenerateError } from './errors.ts';

export interface Document {
  /** Path below the folder, with the line number for .jsonl. */
  source: string;
  text: string;
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && /\.(txt|md|jsonl)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted();
  } catch (error) {
    throw new GenerateError('DOCUMENTS_NOT_FOUND', `documents: ${folder}: ${(error as Error).message}`);
  }
}

/** A line is a JSON string, or an object with the text as `text`. */
function parseLine(line: string, source: string): Document {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new GenerateError('DOCUMENT_INVALID', `${source} is not JSON: ${(error as Error).message}`);
  }
  const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : value;
  if (typeof text !== 'string')
    throw new GenerateError(
      'DOCUMENT_INVALID',
      `${source}: expected a string, or an object with a string "text"`,
    );
  return { source, text };
}

async function readFileDocuments(file: string, folder: string): Promise<Document[]> {
  const text = await readFile(file, 'utf8');
  const name = relative(folder, file);
  if (!file.endsWith('.jsonl')) return [{ source: name, text }];
  return text
    .split('\n')
    .map((line, i) => ({ line, source: `${name}:${i + 1}` }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, source }) => parseLine(line, source));
}

export async function readDocuments(folder: string): Promise<Document[]> {
  const files = await filesOf(folder);
  const documents = (await Promise.all(files.map((file) => readFileDocuments(file, folder)))).flat();
  const filled = documents.filter(({ text }) => text.trim() !== '');
  if (filled.length === 0)
    throw new GenerateError(
      'DOCUMENTS_EMPTY',
      `documents: ${folder} has no text: put .txt, .md or .jsonl files there`,
    );
  return filled;
}
