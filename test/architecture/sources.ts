/** The files that git knows, and their imports, for the rules of the house. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

/** Tracked and new files, without what is generated. */
export function sourceFiles(extensions: RegExp): string[] {
  return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => extensions.test(path) && existsSync(join(root, path)));
}

export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Folders or packages that a TypeScript file imports: `controller/...` for both `@longpo/controller` and a path. */
export function importsOf(path: string): string[] {
  const specifiers = [...read(path).matchAll(/^(?:import|export)\b[^;]*?from\s+'([^']+)'/gms)].map(
    (match) => match[1] ?? '',
  );
  const dynamic = [...read(path).matchAll(/\bimport\('([^']+)'\)/g)].map((match) => match[1] ?? '');
  return [...specifiers, ...dynamic].map((specifier) => {
    if (specifier.startsWith('.')) return normalize(join(dirname(path), specifier));
    return specifier.replace(/^@longpo\//, '');
  });
}
