/** What a caller of `startBed` may choose. */
import type { Output } from '../../../cli/src/setup/bar.ts';
import type { ClusterConfig } from '../config.ts';
import type { ControlPlaneName } from './control-plane.ts';

/** What containers of an image run with, whose name begins with a given prefix; images themselves are not used. */
export interface Image {
  /** Folders put before PATH. */
  path?: string[];
  /** Where its files are: seen by every container and user, whatever volume or mode would be in the way. */
  folders?: string[];
  env?: Record<string, string>;
  /** What runs where the pod's spec has no command. */
  command?: string[];
  /** Id of the user that a pod runs as which names none; root unless told. */
  user?: number;
}

export interface ComponentExtra {
  args?: string[];
  env?: Record<string, string>;
}

export interface BedOptions {
  /** Node agents; 1 by default, 0 for a control plane alone. */
  nodes?: number;
  /** Of each node, as a node's status gives it. */
  capacity?: Record<string, string>;
  images?: Record<string, Image>;
  /** Flags and env beside the bed's own, for instance JOB_POD_FAILURE_BACKOFF of the controller manager. */
  extra?: Partial<Record<ControlPlaneName, ComponentExtra>>;
  /** Where builds and installs report to; stderr by default. */
  output?: Output;
  config?: ClusterConfig;
  /** Told when a component ends though nobody stopped it. By default it is written to `output`. */
  onLost?(message: string): void;
  /** Limit for the start, in ms, without what has to be built first. */
  startLimitMs?: number;
}

export const defaultCapacity: Record<string, string> = {
  cpu: '16',
  memory: '64Gi',
  pods: '110',
  'ephemeral-storage': '100Gi',
  'nvidia.com/gpu': '8',
};
