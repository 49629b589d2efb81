/** Prometheus and promtool: those of the machine, or Debian's package unpacked in the cache, which starts no service. */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const programs = ['prometheus', 'promtool'] as const;

export type Prometheus = Readonly<Record<(typeof programs)[number], string>>;

function onPath(name: string): string | undefined {
  const files = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export async function ensurePrometheus(cacheRoot: string): Promise<Prometheus> {
  const [prometheus, promtool] = programs.map(onPath);
  if (prometheus !== undefined && promtool !== undefined) return { prometheus, promtool };
  const folder = join(cacheRoot, 'prometheus');
  if (!existsSync(folder)) await unpack(cacheRoot, folder);
  return { prometheus: join(folder, 'usr/bin/prometheus'), promtool: join(folder, 'usr/bin/promtool') };
}

/** Into a folder of its own first, so that it is whole or not there. */
async function unpack(cacheRoot: string, folder: string): Promise<void> {
  await mkdir(cacheRoot, { recursive: true });
  const work = await mkdtemp(join(cacheRoot, 'prometheus-'));
  // Without lists of packages there is nothing to download; only root can fetch them.
  await run('apt-get', ['download', 'prometheus'], { cwd: work }).catch(async () => {
    await run('apt-get', ['update']);
    await run('apt-get', ['download', 'prometheus'], { cwd: work });
  });
  const [archive = ''] = (await readdir(work)).filter((name) => name.endsWith('.deb'));
  await run('dpkg-deb', ['--extract', archive, 'unpacked'], { cwd: work });
  await rename(join(work, 'unpacked'), folder);
}
