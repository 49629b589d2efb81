/** A Python with TRL, on top of the trainer's packages: nothing that the trainer needs is installed in it again. */
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Current on PyPI on 2026-11-24. */
export const trlVersion = '1.16.0';

const run = (command: string, args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();

const sitePackages = (python: string): string =>
  run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);

/** `python` is the trainer's. Made once for each of them; about 300 MB. */
export function ensureTrlPython(cacheRoot: string, python: string, pipArgs: string[]): string {
  const base = sitePackages(python);
  const hash = run(python, [
    '-c',
    'import hashlib, sys; print(hashlib.sha256(sys.argv[1].encode()).hexdigest()[:12])',
    base,
  ]);
  const folder = join(cacheRoot, `trl-${trlVersion}-${hash}`);
  const [layered, complete] = [join(folder, 'bin', 'python'), join(folder, 'complete')];
  if (existsSync(complete)) return layered;
  process.stdout.write(`Installing TRL ${trlVersion} in ${folder}, once ...\n`);
  rmSync(folder, { recursive: true, force: true });
  run(python, ['-m', 'venv', folder]);
  // A path file makes the packages of another environment importable, and pip sees them as installed.
  writeFileSync(join(sitePackages(layered), 'trainer.pth'), `${base}\n`);
  run(layered, ['-m', 'pip', 'install', '--quiet', ...pipArgs, `trl==${trlVersion}`]);
  writeFileSync(complete, '');
  return layered;
}
