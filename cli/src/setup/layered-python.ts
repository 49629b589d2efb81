/** A Python with more packages on top of the trainer's, which are not installed again. For benchmarks and tests. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LayeredPythonOptions {
  readonly cacheRoot: string;
  /** Of its folder in the cache, before a digest of what is in it. */
  readonly name: string;
  /** The trainer's. */
  readonly python: string;
  readonly requirements: readonly string[];
  readonly pipArgs: readonly string[];
}

const run = (command: string, args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();

const sitePackages = (python: string): string =>
  run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);

/** Made once in the cache for each version of what it holds and of what lies below it. */
export function ensureLayeredPython(options: LayeredPythonOptions): string {
  const { cacheRoot, name, python, requirements, pipArgs } = options;
  const base = sitePackages(python);
  const hash = createHash('sha256')
    .update([base, ...requirements].join('\n'))
    .digest('hex')
    .slice(0, 12);
  const folder = join(cacheRoot, `${name}-${hash}`);
  const [layered, complete] = [join(folder, 'bin', 'python'), join(folder, 'complete')];
  if (existsSync(complete)) return layered;
  process.stdout.write(`Installing ${requirements.join(', ')} in ${folder}, once ...\n`);
  rmSync(folder, { recursive: true, force: true });
  run(python, ['-m', 'venv', folder]);
  // A path file makes the packages of another environment importable, and pip sees them as installed.
  writeFileSync(join(sitePackages(layered), 'trainer.pth'), `${base}\n`);
  run(layered, ['-m', 'pip', 'install', '--quiet', ...pipArgs, ...requirements]);
  writeFileSync(complete, '');
  return layered;
}
