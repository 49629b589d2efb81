/** Installs llama.cpp for the one who asks, once; `npm ci` leaves it out. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const llamaCppFolder = import.meta.dirname;

export function installLlamaCpp(): void {
  if (existsSync(join(llamaCppFolder, 'node_modules', 'node-llama-cpp'))) return;
  process.stdout.write('Installing llama.cpp (npm node-llama-cpp, once) ...\n');
  const args = [
    'install',
    '--omit=optional',
    '--no-save',
    '--no-package-lock',
    '--no-audit',
    '--no-fund',
    '--silent',
  ];
  const { status } = spawnSync('npm', args, { cwd: llamaCppFolder, stdio: 'inherit' });
  if (status !== 0) throw new Error(`npm install in ${llamaCppFolder} ended with ${status}`);
}
