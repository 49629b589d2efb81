/** The pod template of a role: the pod contract (api/src/pod-contract) as Kubernetes objects. Pure. */
import {
  type EnvVar,
  type PodTemplateSpec,
  podEnv,
  type Role,
  roleCommand,
  tokenAudience,
  tokenMountPath,
  volumeMountPath,
} from '@longpo/api';

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
}

const tokenLifetimeSeconds = 3600;

export function buildRolePod(pod: RolePod): PodTemplateSpec {
  const env: Record<string, string> = {
    [podEnv.volumeRoot]: volumeMountPath,
    [podEnv.config]: JSON.stringify(pod.config),
    [podEnv.terminationLog]: '/dev/termination-log',
    ...(pod.reportUrl === undefined
      ? {}
      : { [podEnv.reportUrl]: pod.reportUrl, [podEnv.tokenFile]: `${tokenMountPath}/token` }),
    ...pod.env,
  };
  return {
    metadata: { labels: pod.labels },
    spec: {
      restartPolicy: pod.restartPolicy,
      terminationGracePeriodSeconds: pod.gracePeriodSeconds,
      automountServiceAccountToken: false,
      containers: [
        {
          name: pod.role,
          image: pod.image,
          command: roleCommand(pod.role),
          env: Object.entries(env).map(([name, value]): EnvVar => ({ name, value })),
          volumeMounts: [
            { name: 'longpo', mountPath: volumeMountPath },
            { name: 'shm', mountPath: '/dev/shm' },
            ...(pod.reportUrl === undefined
              ? []
              : [{ name: 'token', mountPath: tokenMountPath, readOnly: true }]),
          ],
          terminationMessagePath: '/dev/termination-log',
        },
      ],
      volumes: [
        { name: 'longpo', persistentVolumeClaim: { claimName: pod.claimName } },
        { name: 'shm', emptyDir: { medium: 'Memory' } },
        ...(pod.reportUrl === undefined
          ? []
          : [
              {
                name: 'token',
                projected: {
                  sources: [
                    {
                      serviceAccountToken: {
                        path: 'token',
                        audience: tokenAudience,
                        expirationSeconds: tokenLifetimeSeconds,
                      },
                    },
                  ],
                },
              },
            ]),
      ],
    },
  };
}
