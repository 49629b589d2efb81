/** One Go program in the cache, built once by whoever comes first and never seen half-written. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../../cli/src/errors.ts';
import type { Output } from '../../../cli/src/setup/bar.ts';
import { lockFile } from '../../../cli/src/setup/file-lock.ts';
import { findPython } from '../../../cli/src/setup/find-python.ts';
import { runLogged } from '../../../cli/src/setup/logged-command.ts';
import { createBuildProgress } from './build-progress.ts';

export interface GoBuild {
  /** For people, for instance `the control plane (k8s.io/kubernetes v1.37.2)`. */
  title: string;
  /** How long a first build takes, for people. */
  usual: string;
  /** Path of the program. Its folder's name tells one version from another. */
  file: string;
  /** Shell-free command that leaves the program in the given folder, under its own name. */
  command(folder: string): string[];
  output: Output;
}

export async function goBuild(build: GoBuild): Promise<string> {
  if (existsSync(build.file)) return build.file;
  requireGo(build);
  const folder = dirname(build.file);
  const lock = await lockFile(findPython(undefined).python, `${folder}.flock`, () =>
    build.output.write(`Another process builds ${build.title}; waiting for it ...\n`),
  );
  try {
    if (!existsSync(build.file)) await compile(build, folder);
    return build.file;
  } finally {
    await lock.release();
  }
}

function requireGo({ title }: GoBuild): void {
  if (spawnSync('go', ['version']).status === 0) return;
  throw new UserError(
    'GO_MISSING',
    `Go is not on PATH, and ${title} is built with it: install it (https://go.dev/dl)`,
  );
}

async function compile({ title, usual, file, command, output }: GoBuild, folder: string): Promise<void> {
  const scratch = `${folder}.${process.pid}.part`;
  mkdirSync(scratch, { recursive: true });
  const logFile = join(dirname(folder), 'logs', `${basename(folder)}.log`);
  const progress = createBuildProgress(output, `building ${title}`, usual);
  try {
    await runLogged({
      command: command(scratch),
      logFile,
      code: 'GO_BUILD_FAILED',
      onLine: progress.read,
    });
    chmodSync(join(scratch, basename(file)), 0o755);
    rmSync(folder, { recursive: true, force: true });
    renameSync(scratch, folder);
  } finally {
    progress.end();
    rmSync(scratch, { recursive: true, force: true });
  }
}
