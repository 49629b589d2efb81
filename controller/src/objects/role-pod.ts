/** The pod template of a role: the pod contract (api/src/pod-contract) as Kubernetes objects. Pure. */
import {
  type Container,
  type PodTemplateSettings,
  type PodTemplateSpec,
  podEnv,
  type Role,
  type RoleResources,
  roleCommand,
  tokenMountPath,
  volumeMountPath,
} from '@longpo/api';
import { buildPod } from './pod.ts';

export interface RolePod {
  role: Role;
  image: string;
  claimName: string;
  /** The role's config object; becomes LONGPO_CONFIG. */
  config: object;
  labels: Record<string, string>;
  /** Absent: the pod reports to nobody. */
  reportUrl?: string;
  /** Further env of the contract, for instance the coordinator. */
  env?: Record<string, string>;
  restartPolicy: 'Never' | 'Always';
  gracePeriodSeconds: number;
  /** What the platform adds: spec.podTemplate. */
  template?: PodTemplateSettings;
  /** Requests and limits of the container. */
  resources?: RoleResources;
  /** Further fields of the container: ports, probes. */
  container?: Partial<Container>;
}

/** As JSON in which no kubelet finds a $(NAME) to expand: a prompt may well contain one. */
const inert = (config: object): string => JSON.stringify(config).replaceAll('$', '\\u0024');

export function buildRolePod({ role, config, reportUrl, env, ...rest }: RolePod): PodTemplateSpec {
  return buildPod({
    ...rest,
    name: role,
    command: roleCommand(role),
    reports: reportUrl !== undefined,
    env: {
      [podEnv.volumeRoot]: volumeMountPath,
      [podEnv.config]: inert(config),
      [podEnv.terminationLog]: '/dev/termination-log',
      ...(reportUrl === undefined
        ? {}
        : { [podEnv.reportUrl]: reportUrl, [podEnv.tokenFile]: `${tokenMountPath}/token` }),
      ...env,
    },
  });
}
