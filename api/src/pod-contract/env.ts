/**
 * The env names by which a pod knows the world. A pod template carries the cluster's values (mount paths, Service
 * DNS); an executor that runs pods as processes substitutes its own under the same names. Nothing else may differ.
 */
export const podEnv = {
  /** Folder under which every relative path of a role's config lies. */
  volumeRoot: 'LONGPO_VOLUME_ROOT',
  /** The role's config, one JSON object, schema `<role>-config`. */
  config: 'LONGPO_CONFIG',
  /** Where progress reports are POSTed. */
  reportUrl: 'LONGPO_REPORT_URL',
  /** File with the bearer token for the report URL; read again for every request, it rotates. */
  tokenFile: 'LONGPO_TOKEN_FILE',
  /** File that takes the pod's result, at most 4,096 bytes; a kubelet reads it when the container ends. */
  terminationLog: 'LONGPO_TERMINATION_LOG',
  /** train: host:port of the pod with index 0, where the ranks meet. */
  coordinator: 'LONGPO_COORDINATOR',
  /** generate: base URL of the OpenAI-compatible server, with /v1. */
  endpoint: 'LONGPO_ENDPOINT',
  /** serve: host:port to listen on. */
  listen: 'LONGPO_LISTEN',
  /** The index of the pod in its Indexed Job; the Job controller sets it. */
  completionIndex: 'JOB_COMPLETION_INDEX',
} as const;

export const volumeMountPath = '/longpo';
export const tokenMountPath = '/var/run/secrets/longpo.dev';
export const tokenAudience = 'longpo.dev/report';
export const servePort = 8000;
export const rendezvousPort = 29500;
export const reportPort = 8080;
