/** Programs of the distribution that a bed needs: installed for root on Debian, named for everybody else. */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { UserError } from '../../../cli/src/errors.ts';
import type { Output } from '../../../cli/src/setup/bar.ts';
import { runLogged } from '../../../cli/src/setup/logged-command.ts';

/** Program -> Debian package. */
const needed: Record<string, string> = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
};

export interface PackageOptions {
  path: string;
  cacheRoot: string;
  output: Output;
  /** Unset where packages cannot be installed. */
  aptGet: string | undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function missingPackages(path: string): string[] {
  const folders = path.split(delimiter);
  const missing = Object.keys(needed).filter(
    (name) => !folders.some((folder) => isExecutable(join(folder, name))),
  );
  return [...new Set(missing.map((name) => needed[name] ?? name))];
}

export const debianAptGet = (): string | undefined =>
  process.getuid?.() === 0 && existsSync('/usr/bin/apt-get') ? '/usr/bin/apt-get' : undefined;

export async function requirePackages({ path, cacheRoot, output, aptGet }: PackageOptions): Promise<void> {
  const missing = missingPackages(path);
  if (missing.length === 0) return;
  if (aptGet === undefined)
    throw new UserError(
      'PACKAGES_MISSING',
      `the test bed needs ${missing.join(', ')}: on Debian \`apt-get install ${missing.join(' ')}\``,
    );
  output.write(`Installing ${missing.join(', ')} ...\n`);
  const logFile = join(cacheRoot, 'logs', 'apt-get.log');
  const code = 'PACKAGES_MISSING';
  await runLogged({ command: [aptGet, 'update'], logFile, code });
  await runLogged({ command: [aptGet, 'install', '-y', ...missing], logFile, code });
}
