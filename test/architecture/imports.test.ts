import { describe, expect, it } from 'vitest';
import { importsOf, read, sourceFiles } from './sources.ts';

/** api <- tokens <- controller | server | preferences <- cli. */
const allowed: Record<string, string[]> = {
  api: [],
  tokens: ['api'],
  controller: ['api', 'tokens'],
  server: ['api', 'tokens'],
  preferences: ['api', 'tokens'],
  cli: ['api', 'tokens', 'controller', 'server', 'preferences'],
};

const roomOf = (path: string): string => path.split('/')[0] ?? '';
const isTest = (path: string): boolean => path.endsWith('.test.ts') || path.includes('fixture');

function violations(files: string[], isForbidden: (file: string, imported: string) => boolean): string[] {
  return files.flatMap((file) =>
    importsOf(file)
      .filter((imported) => isForbidden(file, imported))
      .map((imported) => `${file} imports ${imported}`),
  );
}

describe('imports', () => {
  it('go one way between the workspaces', () => {
    const files = sourceFiles(/\.ts$/).filter((path) => roomOf(path) in allowed);
    const wrong = violations(files, (file, imported) => {
      const [from, to] = [roomOf(file), roomOf(imported)];
      return to in allowed && from !== to && !allowed[from]?.includes(to);
    });
    expect(wrong).toEqual([]);
  });

  it('keep decide, objects and policies free of clients, clocks and env', () => {
    const pure = sourceFiles(/\.ts$/).filter(
      (path) =>
        !isTest(path) && /controller\/src\/(objects|policies|reconcile\/(training|serving))\//.test(path),
    );
    expect(pure.length).toBeGreaterThan(10);
    const impureImports = violations(
      pure,
      (_, imported) => imported.startsWith('node:') && imported !== 'node:crypto',
    );
    const impureUses = pure.filter((path) =>
      /\bDate\.now\(|new Date\(\)|process\.|\bfetch\(|setTimeout/.test(read(path)),
    );
    expect({ impureImports, impureUses }).toEqual({ impureImports: [], impureUses: [] });
  });

  it('keep the contract free of I/O', () => {
    const api = sourceFiles(/\.ts$/).filter((path) => path.startsWith('api/src/') && !isTest(path));
    expect(violations(api, (_, imported) => imported.startsWith('node:'))).toEqual([]);
  });

  it('keep the layout and the loss of the trainer free of process groups', () => {
    for (const path of ['trainer/longpo_trainer/layout.py', 'trainer/longpo_trainer/loss.py'])
      expect(read(path)).not.toMatch(/torch\.distributed|import os\b/);
  });

  it('let one file per process read the environment', () => {
    const readers = sourceFiles(/\.ts$/).filter(
      (path) => roomOf(path) in allowed && !isTest(path) && /\bprocess\.env\b/.test(read(path)),
    );
    expect(readers.filter((path) => !path.endsWith('config.ts'))).toEqual([]);
    const python = sourceFiles(/longpo_trainer\/.*\.py$/).filter((path) =>
      /\bos\.(environ|getenv)\b/.test(read(path)),
    );
    expect(python.filter((path) => !path.endsWith('environment.py'))).toEqual([]);
  });
});
