/**
 * A Python with the clients of the tests, on top of the trainer's packages: torch and transformers are not installed
 * again. Made once in the cache for each version of either.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Current on PyPI on 2026-11-28. */
const requirements = ['openai==3.57.0', 'lm_eval[api]==0.4.13'];

const run = (command: string, args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();

const sitePackages = (python: string): string =>
  run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);

export interface ClientPythonOptions {
  readonly cacheRoot: string;
  /** The trainer's. */
  readonly python: string;
  readonly pipArgs: readonly string[];
}

export function ensureClientPython({ cacheRoot, python, pipArgs }: ClientPythonOptions): string {
  const base = sitePackages(python);
  const hash = createHash('sha256')
    .update([base, ...requirements].join('\n'))
    .digest('hex')
    .slice(0, 12);
  const folder = join(cacheRoot, `clients-${hash}`);
  const [layered, complete] = [join(folder, 'bin', 'python'), join(folder, 'complete')];
  if (existsSync(complete)) return layered;
  rmSync(folder, { recursive: true, force: true });
  run(python, ['-m', 'venv', folder]);
  // A path file makes the packages of another environment importable, and pip sees them as installed.
  writeFileSync(join(sitePackages(layered), 'trainer.pth'), `${base}\n`);
  run(layered, ['-m', 'pip', 'install', '--quiet', ...pipArgs, ...requirements]);
  writeFileSync(complete, '');
  return layered;
}
