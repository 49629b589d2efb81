/** `securityContext` of pod and container as arguments of setpriv. Pure. */
import type { Container } from '@longpo/api';
import { ContainerConfigError, type PodResource } from '../../../cli/src/pod/index.ts';
import type { Image } from './config.ts';

export interface Identity {
  user: number;
  group: number;
  /** Of setpriv, without the command. */
  setpriv: string[];
  isRootReadOnly: boolean;
}

/** What container engines leave to root in a container. */
const defaultCapabilities = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'net_bind_service',
  'net_raw',
  'sys_chroot',
  'mknod',
  'audit_write',
  'setfcap',
];

const lower = (names: string[] = []) => names.map((name) => name.toLowerCase().replace(/^cap_/, ''));

function capabilities(container: Container): string[] {
  const { drop, add } = container.securityContext?.capabilities ?? {};
  const dropped = new Set(lower(drop));
  const kept = dropped.has('all') ? [] : defaultCapabilities.filter((name) => !dropped.has(name));
  return [...new Set([...kept, ...lower(add).filter((name) => name !== 'all')])];
}

/** Refuses what a kubelet refuses, in its words. */
export function identityOf(pod: PodResource, container: Container, image: Image): Identity {
  const forPod = pod.spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  const wanted = own.runAsUser ?? forPod.runAsUser;
  const user = wanted ?? image.user;
  const group = own.runAsGroup ?? forPod.runAsGroup ?? 0;
  if ((own.runAsNonRoot ?? forPod.runAsNonRoot) && user === 0) {
    const why =
      wanted === undefined
        ? 'container has runAsNonRoot and image will run as root'
        : "container's runAsUser breaks non-root policy";
    throw new ContainerConfigError(`${why} (pod: "${pod.metadata.name}", container: ${container.name})`);
  }
  const more = [
    ...(forPod.supplementalGroups ?? []),
    ...(forPod.fsGroup === undefined ? [] : [forPod.fsGroup]),
  ];
  const kept = capabilities(container).map((name) => `,+${name}`);
  return {
    user,
    group,
    setpriv: [
      `--reuid=${user}`,
      `--regid=${group}`,
      more.length > 0 ? `--groups=${more.join(',')}` : '--clear-groups',
      ...(own.privileged ? [] : ['--inh-caps=-all', `--bounding-set=-all${kept.join('')}`]),
      ...(own.allowPrivilegeEscalation === false ? ['--no-new-privs'] : []),
    ],
    isRootReadOnly: own.readOnlyRootFilesystem === true,
  };
}
