/** What the containers of a pod share: hostname, network with an address of its own, and the files about them. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PodResource, spawnBound } from '../../../cli/src/pod/index.ts';
import { addresses, clusterDomain } from '../bed/addresses.ts';
import { runCommand } from './run-command.ts';

/** Holds the namespaces open. Its name comes as an argument: nothing of a spec is part of a script. */
const pauseScript = 'hostname "$0" && echo up && exec sleep infinity';

export interface Sandbox {
  pid: number;
  podIP: string;
  hostname: string;
  /** Files bound into every container, by where they go. */
  files: Record<string, string>;
  close(): void;
}

/** Addresses of this node's pods; the one given back longest ago comes first. */
export class AddressPool {
  readonly #free: number[] = Array.from({ length: 253 }, (_, index) => index + 2);
  readonly #nodeIndex: number;

  constructor(nodeIndex: number) {
    this.#nodeIndex = nodeIndex;
  }

  take(): { address: string; last: number; giveBack(): void } {
    const last = this.#free.shift();
    if (last === undefined) throw new Error('this node has no address left');
    return { address: `10.244.${this.#nodeIndex}.${last}`, last, giveBack: () => void this.#free.push(last) };
  }
}

export const hostnameOf = (pod: PodResource): string => pod.spec?.hostname ?? pod.metadata.name.slice(0, 63);

export async function openSandbox(
  pod: PodResource,
  folder: string,
  pool: AddressPool,
  nodeIndex: number,
): Promise<Sandbox> {
  const { address, last, giveBack } = pool.take();
  const hostname = hostnameOf(pod);
  const pause = spawnBound(['unshare', '--net', '--uts', '--ipc', 'sh', '-c', pauseScript, hostname], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const close = () => {
    pause.kill('SIGKILL');
    giveBack();
  };
  try {
    await firstOutput(pause);
    await connectToBridge(pause.pid ?? 0, `v${nodeIndex}x${last}`, address, nodeIndex, last);
  } catch (error) {
    close();
    throw error;
  }
  return {
    pid: pause.pid ?? 0,
    podIP: address,
    hostname,
    files: writeFiles(pod, folder, hostname, address),
    close,
  };
}

function firstOutput(pause: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    pause.stdout?.once('data', () => resolve());
    pause.once('error', reject);
    pause.once('exit', (code) => reject(new Error(`the sandbox ended with ${code}`)));
  });
}

/** The hardware address follows from the IP, so that nobody's neighbour table is wrong about a successor. */
async function connectToBridge(pid: number, name: string, address: string, node: number, last: number) {
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  const hardware = `0a:58:0a:f4:${hex(node)}:${hex(last)}`;
  await runCommand(
    'ip',
    ['-batch', '-'],
    `link add ${name} type veth peer name eth0 address ${hardware} netns ${pid}\nlink set ${name} master br0 up\n`,
  );
  await runCommand(
    'nsenter',
    ['--target', String(pid), '--net', 'ip', '-batch', '-'],
    `link set lo up\naddr add ${address}/16 dev eth0\nlink set eth0 up\nroute add default via ${addresses.host}\n`,
  );
}

function writeFiles(
  pod: PodResource,
  folder: string,
  hostname: string,
  address: string,
): Record<string, string> {
  const { namespace } = pod.metadata;
  const { subdomain, hostAliases = [] } = pod.spec ?? {};
  const domain = `svc.${clusterDomain}`;
  const names = subdomain ? `${hostname}.${subdomain}.${namespace}.${domain} ${hostname}` : hostname;
  const aliases = hostAliases.map(({ ip, hostnames = [] }) => `${ip} ${hostnames.join(' ')}\n`);
  const contents: Record<string, string> = {
    '/etc/hostname': `${hostname}\n`,
    '/etc/hosts': `127.0.0.1 localhost\n::1 localhost\n${address} ${names}\n${aliases.join('')}`,
    '/etc/resolv.conf': `nameserver ${addresses.dns}\nsearch ${namespace}.${domain} ${domain} ${clusterDomain}\noptions ndots:5 timeout:2\n`,
  };
  const etc = join(folder, 'etc');
  mkdirSync(etc, { recursive: true });
  return Object.fromEntries(
    Object.entries(contents).map(([target, content]) => {
      const file = join(etc, target.slice('/etc/'.length));
      writeFileSync(file, content);
      return [target, file];
    }),
  );
}
