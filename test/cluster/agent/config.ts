/** The only reader of process.env in the node agent. */
import * as z from 'zod';

const image = z.object({
  /** Folders put before PATH: where the image's commands are on this machine. */
  path: z.array(z.string()).default([]),
  /** Folders of this machine that hold the image's files. */
  folders: z.array(z.string().startsWith('/')).default([]),
  env: z.record(z.string(), z.string()).default({}),
  /** What the image would run without `command` in the spec. */
  command: z.array(z.string()).default([]),
  /** The image's USER. */
  user: z.int().nonnegative().default(0),
});

export type Image = z.infer<typeof image>;

const environment = z.object({
  NODE_NAME: z.string().min(1),
  /** Pods get the addresses 10.244.<index>.x, the kubelet's port is 10249 + index. */
  NODE_INDEX: z.coerce.number().int().min(1).max(250),
  KUBECONFIG: z.string().min(1),
  /** Logs, volumes and scratch of the pods; emptied at the start. */
  RUN_DIR: z.string().min(1),
  /** By the beginning of an image's name; the longest one counts. */
  IMAGES: z
    .string()
    .default('{}')
    .transform((text) => z.record(z.string(), image).parse(JSON.parse(text))),
  /** status.capacity of the node. */
  CAPACITY: z
    .string()
    .default('{"cpu":"16","memory":"64Gi","pods":"110","ephemeral-storage":"100Gi"}')
    .transform((text) => z.record(z.string(), z.string()).parse(JSON.parse(text))),
});

export interface AgentConfig {
  nodeName: string;
  nodeIndex: number;
  kubeconfig: string;
  runFolder: string;
  images: Record<string, Image>;
  capacity: Record<string, string>;
}

export function readAgentConfig(env: NodeJS.ProcessEnv = process.env): AgentConfig {
  const parsed = environment.parse(env);
  return {
    nodeName: parsed.NODE_NAME,
    nodeIndex: parsed.NODE_INDEX,
    kubeconfig: parsed.KUBECONFIG,
    runFolder: parsed.RUN_DIR,
    images: parsed.IMAGES,
    capacity: parsed.CAPACITY,
  };
}

const unknownImage: Image = { path: [], folders: [], env: {}, command: [], user: 0 };

/** What no prefix knows runs with what the machine has. */
export function imageOf(images: Record<string, Image>, name: string): Image {
  const prefixes = Object.keys(images).filter((prefix) => name.startsWith(prefix));
  const longest = prefixes.toSorted((left, right) => right.length - left.length)[0];
  return (longest !== undefined && images[longest]) || unknownImage;
}
