/** `npm run cluster`: a Kubernetes on this machine until Ctrl-C. Arguments: --nodes N. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../cli/src/config.ts';
import { UserError } from '../../cli/src/errors.ts';
import { applyCrds } from './crds.ts';
import { operatorImages } from './operator-images.ts';
import { type Bed, startBed } from './start-bed.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function readNodes(): number {
  const { values } = parseArgs({ options: { nodes: { type: 'string', default: '1' } } });
  const nodes = Number(values.nodes);
  if (!Number.isInteger(nodes) || nodes < 0)
    throw new UserError('BAD_NODES', `--nodes ${values.nodes}: it must be a whole number, 0 or more`);
  return nodes;
}

const greeting = (bed: Bed, seconds: string): string => `
A Kubernetes is up after ${seconds} s; Ctrl-C ends it and leaves nothing. In another terminal:

  export KUBECONFIG=${bed.kubeconfig}
  alias kubectl='${bed.kubectlCommand}'
  kubectl get nodes -o wide
  kubectl run hello --image=any --restart=Never -- echo hello from a pod
  kubectl logs hello

Logs of its parts are in ${join(bed.folder, 'logs')}.
`;

async function main(): Promise<void> {
  const nodes = readNodes();
  const asked = new Promise<void>((resolve) => {
    for (const signal of signals) process.on(signal, () => resolve());
  });
  const started = performance.now();
  process.stdout.write('Starting a Kubernetes on this machine ...\n');
  const images = operatorImages(readConfig().python ?? 'python3');
  const starting = startBed({ nodes, images });
  // Asked to end while it starts, the process goes, and the bed's guardian cleans up.
  const first = await Promise.race([starting, asked]);
  if (first === undefined) process.exit(130);
  try {
    await applyCrds(first);
    process.stdout.write(greeting(first, ((performance.now() - started) / 1000).toFixed(1)));
    await asked;
  } finally {
    await first.stop();
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`error ${error.code}: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
