/**
 * The pod that every workload of ours is: one container on the claim, of the restricted pod security standard, with
 * what the platform adds through spec.podTemplate. Pure.
 */
import {
  type Container,
  type EnvVar,
  type PodSpec,
  type PodTemplateSettings,
  type PodTemplateSpec,
  podEnv,
  type RoleResources,
  tokenAudience,
  tokenMountPath,
  volumeMountPath,
} from '@longpo/api';
import { present } from './present.ts';

export interface WorkloadPod {
  /** Name of the container. */
  name: string;
  image: string;
  /** As exec takes it: no shell reads it. */
  command: string[];
  /** What the platform's env cannot change. */
  env: Record<string, string>;
  /** What the platform's env may change. */
  defaultEnv?: Record<string, string>;
  claimName: string;
  labels: Record<string, string>;
  /** Mounts the token that the progress endpoint asks for. */
  reports: boolean;
  restartPolicy: 'Never' | 'Always';
  gracePeriodSeconds: number;
  template?: PodTemplateSettings;
  resources?: RoleResources;
  /** Further fields of the container: ports, probes. */
  container?: Partial<Container>;
}

const tokenLifetimeSeconds = 3600;
/** Of nobody on the node; the images have a user of this number (65532 is `nonroot` of the distroless images). */
const nobody = 65532;
const temporaryFolder = '/tmp';

/**
 * Caches of Triton, torch and the Hub lie below HOME, and the root file system is read-only. torch asks for the
 * user's name when it is imported, and an image need not have one for the number above.
 */
const baseEnv = { HOME: temporaryFolder, USER: 'longpo' };

const podSecurity: NonNullable<PodSpec['securityContext']> = {
  runAsNonRoot: true,
  runAsUser: nobody,
  runAsGroup: nobody,
  fsGroup: nobody,
  // Else the kubelet walks through every file of a volume with terabytes of checkpoints at each start.
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
};

export function buildPod(pod: WorkloadPod): PodTemplateSpec {
  const template = pod.template ?? {};
  return {
    metadata: {
      labels: pod.labels,
      ...(template.annotations && { annotations: template.annotations }),
    },
    spec: {
      restartPolicy: pod.restartPolicy,
      terminationGracePeriodSeconds: pod.gracePeriodSeconds,
      automountServiceAccountToken: false,
      // A Service's name in env could be taken for a setting: one named vllm would give VLLM_PORT.
      enableServiceLinks: false,
      // Process 1 is then the sandbox's: as process 1, a role that is only starting would hear no SIGTERM yet.
      shareProcessNamespace: true,
      securityContext: podSecurity,
      ...placement(template),
      containers: [container(pod, template)],
      volumes: volumes(pod, template),
    },
  };
}

function placement(template: PodTemplateSettings): Partial<PodSpec> {
  const { nodeSelector, tolerations, priorityClassName, runtimeClassName, imagePullSecrets } = template;
  return present({
    nodeSelector,
    tolerations: tolerations?.map((toleration) => present(toleration)),
    priorityClassName,
    runtimeClassName,
    imagePullSecrets,
  });
}

function container(pod: WorkloadPod, template: PodTemplateSettings): Container {
  const { capabilities } = template;
  return {
    name: pod.name,
    image: pod.image,
    command: pod.command,
    env: containerEnv(pod, template),
    ...(pod.resources && { resources: present(pod.resources) }),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], ...(capabilities && { add: capabilities }) },
      readOnlyRootFilesystem: true,
    },
    volumeMounts: [
      { name: 'longpo', mountPath: volumeMountPath },
      { name: 'shm', mountPath: '/dev/shm' },
      { name: 'tmp', mountPath: temporaryFolder },
      ...(pod.reports ? [{ name: 'token', mountPath: tokenMountPath, readOnly: true }] : []),
    ],
    terminationMessagePath: '/dev/termination-log',
    ...pod.container,
  };
}

/** A name that the pod contract knows, also where this pod has no use for it. */
const contractNames = new Set<string>(Object.values(podEnv));

/** Ours first: a value of ours can so not name one of the platform's, which may be a secret, as $(NAME). */
function containerEnv(pod: WorkloadPod, template: PodTemplateSettings): EnvVar[] {
  const added = (template.env ?? []).filter(
    ({ name }) => !Object.hasOwn(pod.env, name) && !contractNames.has(name),
  );
  const replaced = new Set(added.map(({ name }) => name));
  const defaults = Object.entries({ ...baseEnv, ...pod.defaultEnv }).filter(([name]) => !replaced.has(name));
  return [
    ...Object.entries(pod.env).map(([name, value]) => ({ name, value })),
    ...defaults.map(([name, value]) => ({ name, value })),
    ...added.map(({ valueFrom, ...variable }) =>
      present({ ...variable, valueFrom: valueFrom && present(valueFrom) }),
    ),
  ];
}

function volumes(pod: WorkloadPod, template: PodTemplateSettings): NonNullable<PodSpec['volumes']> {
  const { sharedMemory } = template;
  const serviceAccountToken = {
    path: 'token',
    audience: tokenAudience,
    expirationSeconds: tokenLifetimeSeconds,
  };
  return [
    { name: 'longpo', persistentVolumeClaim: { claimName: pod.claimName } },
    {
      name: 'shm',
      emptyDir: { medium: 'Memory', ...(sharedMemory !== undefined && { sizeLimit: sharedMemory }) },
    },
    { name: 'tmp', emptyDir: {} },
    ...(pod.reports ? [{ name: 'token', projected: { sources: [{ serviceAccountToken }] } }] : []),
  ];
}
