/** Installs a peer for the one who asks, once, in its own folder; `npm ci` leaves it out. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const args = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--silent'];
/** 0.7 GB of llama.cpp's GPU builds are optional; so is the library without which transformers.js does not load. */
const further = { 'llama-cpp': ['--omit=optional'], 'transformers-js': [] };

/** `folder` is beside this file and holds a package.json. */
export function installPeer(folder: keyof typeof further, ownPackage: string): string {
  const cwd = join(import.meta.dirname, folder);
  if (existsSync(join(cwd, 'node_modules', ownPackage))) return cwd;
  process.stdout.write(`Installing npm ${ownPackage} in ${cwd}, once ...\n`);
  const { status } = spawnSync('npm', [...args, ...further[folder]], { cwd, stdio: 'inherit' });
  if (status !== 0) throw new Error(`npm install in ${cwd} ended with ${status}`);
  return cwd;
}
