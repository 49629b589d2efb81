import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { recorder } from '../../../cli/src/setup/setup.fixture.ts';
import { type GoBuild, goBuild } from './go-build.ts';

function cacheFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'longpo-go-build-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A script in the place of the compiler: $0 is the folder for the program. */
const build = (cache: string, script: string): GoBuild => ({
  title: 'a program',
  usual: 'no time',
  file: join(cache, 'program-1', 'program'),
  command: (folder) => ['sh', '-c', script, folder],
  output: recorder(),
});

it('builds once for all who ask at the same time, and for those who come later', async () => {
  const cache = cacheFolder();
  const script = `echo built >> ${cache}/count; printf '#!/bin/sh\\necho it runs' > $0/program`;
  const files = await Promise.all([1, 2, 3].map(() => goBuild(build(cache, script))));
  files.push(await goBuild(build(cache, script)));
  expect(new Set(files)).toEqual(new Set([join(cache, 'program-1', 'program')]));
  expect(readFileSync(join(cache, 'count'), 'utf8')).toBe('built\n');
  expect(execFileSync(files[0] ?? '', { encoding: 'utf8' })).toBe('it runs\n');
});

it('shows the end of the log of a build that fails, keeps nothing of it, and tries anew', async () => {
  const cache = cacheFolder();
  const broken = 'touch $0/program; echo "main.go:7: undefined: x" >&2; exit 1';
  await expect(goBuild(build(cache, broken))).rejects.toThrow(
    `log: ${join(cache, 'logs', 'program-1.log')})\nmain.go:7: undefined: x`,
  );
  expect(readdirSync(cache).toSorted()).toEqual(['logs', 'program-1.flock']);
  expect(await goBuild(build(cache, 'touch $0/program'))).toBe(join(cache, 'program-1', 'program'));
});
