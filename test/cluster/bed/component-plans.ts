/** The command and env of everything that runs in a bed, by name. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Binaries } from '../binaries/binaries.ts';
import { type BedOptions, defaultCapacity } from './bed-options.ts';
import { controlPlaneCommands, controlPlaneNames, etcdEnv } from './control-plane.ts';
import type { Identities } from './identities.ts';

export interface PlanOptions {
  folder: string;
  identities: Identities;
  binaries: Binaries;
  options: BedOptions;
  /** For use inside. */
  kubeconfigs: { admin: string; controllerManager: string; scheduler: string };
}

export interface ComponentPlan {
  command: string[];
  env: Record<string, string>;
}

type Plans = Record<(typeof controlPlaneNames)[number], ComponentPlan> & Record<string, ComponentPlan>;

const cluster = join(import.meta.dirname, '..');

export function componentPlans({ folder, identities, binaries, options, kubeconfigs }: PlanOptions): Plans {
  const commands = controlPlaneCommands(binaries, { folder, identities, kubeconfigs });
  const controlPlane = Object.fromEntries(
    controlPlaneNames.map((name) => {
      const { args = [], env = {} } = options.extra?.[name] ?? {};
      const own = name === 'etcd' ? etcdEnv : {};
      return [name, { command: [...commands[name], ...args], env: { ...own, ...env } }];
    }),
  ) as Record<(typeof controlPlaneNames)[number], ComponentPlan>;
  const volumes = join(folder, 'volumes');
  const ours = (script: string, env: Record<string, string> = {}): ComponentPlan => ({
    command: [process.execPath, join(cluster, script)],
    env: { KUBECONFIG: kubeconfigs.admin, ...env },
  });
  return {
    ...controlPlane,
    network: ours('network/main.ts'),
    provisioner: ours('provisioner/main.ts', { VOLUME_ROOT: volumes }),
    ...nodes(folder, options, ours),
  };
}

function nodes(
  folder: string,
  { nodes = 1, capacity = defaultCapacity, images = {} }: BedOptions,
  ours: (script: string, env: Record<string, string>) => ComponentPlan,
): Record<string, ComponentPlan> {
  const agent = 'agent/main.ts';
  if (nodes > 0 && !existsSync(join(cluster, agent)))
    throw new Error(`there is no ${agent}: ask for no nodes`);
  return Object.fromEntries(
    Array.from({ length: nodes }, (_, index) => {
      const name = `node-${index + 1}`;
      const env = {
        NODE_NAME: name,
        NODE_INDEX: String(index + 1),
        RUN_DIR: join(folder, 'pods', name),
        IMAGES: JSON.stringify(images),
        CAPACITY: JSON.stringify(capacity),
      };
      return [name, ours(agent, env)];
    }),
  );
}
