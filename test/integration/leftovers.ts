/** What a bed could leave on the host, found by what only the bed can have. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

const processes = (): string[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

/** Undefined for a process that has just ended. */
function read(take: () => string): string | undefined {
  try {
    return take();
  } catch {
    return undefined;
  }
}

const networkOf = (pid: string) => read(() => readlinkSync(`/proc/${pid}/ns/net`));
const commandOf = (pid: string) => read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));

const processesOf = (folder: string): string[] =>
  processes().filter((pid) => commandOf(pid)?.includes(folder));

/** The namespaces of everything that was started with something of the bed's folder, the host's own left out. */
export function networksOf(folder: string): string[] {
  const own = networkOf('self');
  const found = processesOf(folder).map(networkOf);
  return [...new Set(found.filter((name) => name !== undefined && name !== own))] as string[];
}

export interface Host {
  mounts: string;
  links: string;
}

export const host = (): Host => ({
  mounts: readFileSync('/proc/self/mounts', 'utf8'),
  links: execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }),
});

/** Empty when nothing of a bed is left. `networks` are those that it had while it ran. */
export function leftovers(folder: string, networks: string[], before: Host): string[] {
  const now = host();
  const inside = processes().filter((pid) => networks.includes(networkOf(pid) ?? ''));
  return [
    ...(existsSync(folder) ? [folder] : []),
    ...[...processesOf(folder), ...inside].map((pid) => `process ${pid}: ${commandOf(pid)}`),
    ...(now.mounts === before.mounts ? [] : ['mounts']),
    ...(now.links === before.links ? [] : ['links']),
  ];
}
