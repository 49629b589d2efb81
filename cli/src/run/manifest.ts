/** A manifest file as one LongPOTraining: parsed, its relative paths resolved, defaults filled, rules checked. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { LongPOTraining } from '@longpo/api';
import { parseAllDocuments } from 'yaml';
import { admit, formatProblems } from '../admission/admit.ts';
import { UserError } from '../errors.ts';

type Json = Record<string, unknown>;

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(
      'MANIFEST_NOT_FOUND',
      `${file}: ${(error as NodeJS.ErrnoException).code}: give the path of a YAML manifest`,
    );
  }
  const documents = parseAllDocuments(text).filter((document) => document.contents !== null);
  const broken = documents.flatMap(({ errors }) => errors)[0];
  if (broken) throw new UserError('MANIFEST_INVALID', `${file}: ${broken.message.split('\n')[0]}`);
  if (documents.length !== 1)
    throw new UserError(
      'MANIFEST_INVALID',
      `${file}: has ${documents.length} YAML documents, one LongPOTraining is expected`,
    );
  return documents[0]?.toJS();
}

/** Links are followed once, here: what a pod opens must not depend on who changes a link meanwhile. */
function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

/** Paths in a manifest are relative to it, as a person who edits it reads them. A cluster knows no such folder. */
function resolvePaths(value: unknown, folder: string): unknown {
  if (Array.isArray(value)) return value.map((item) => resolvePaths(item, folder));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value as Json).map(([key, item]) => [
      key,
      (key === 'uri' || key === 'evalUri') && typeof item === 'string' && /^\.{1,2}(\/|$)/.test(item)
        ? realPath(resolve(folder, item))
        : resolvePaths(item, folder),
    ]),
  );
}

export function readManifest(file: string): LongPOTraining {
  const object = resolvePaths(readYaml(file), dirname(resolve(file))) as Json;
  const result = admit(object);
  if ('problems' in result) throw new UserError('MANIFEST_INVALID', formatProblems(file, result.problems));
  if (result.object.kind !== 'LongPOTraining')
    throw new UserError(
      'MANIFEST_INVALID',
      `${file}: kind is ${result.object.kind}: \`longpo run\` takes a LongPOTraining`,
    );
  const namespace = result.object.metadata.namespace ?? 'default';
  return { ...result.object, metadata: { ...result.object.metadata, namespace } };
}
