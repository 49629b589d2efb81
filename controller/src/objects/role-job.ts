/** The Job of a batch role: one core Indexed Job per stage and attempt. Pure. */
import {
  exitCodes,
  fatalExitCodes,
  type Job,
  labels,
  type PodFailurePolicyRule,
  type PodTemplateSettings,
  type Role,
  type RoleResources,
  type Service,
} from '@longpo/api';
import type { Resource } from '../cluster.ts';
import { managedLabels, type Owner, ownerReference, withDesiredHash } from './ownership.ts';
import { buildRolePod } from './role-pod.ts';

export interface RoleJob {
  name: string;
  owner: Owner;
  role: Role;
  /** Empty for fetch. */
  stage: string;
  attempt: number;
  image: string;
  claimName: string;
  config: object;
  reportUrl: string;
  pods: number;
  env?: Record<string, string>;
  annotations?: Record<string, string>;
  /** What the platform adds: spec.podTemplate. */
  template?: PodTemplateSettings;
  resources?: RoleResources;
}

/** A preempted pod and a pod that asks to be started again do not count; bad input ends the Job at once. */
const podFailurePolicy: PodFailurePolicyRule[] = [
  { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
  { action: 'Ignore', onExitCodes: { operator: 'In', values: [exitCodes.tryAgain] } },
  { action: 'FailJob', onExitCodes: { operator: 'In', values: [...fatalExitCodes] } },
];

/**
 * Kubernetes' limit only ever adds up, so it is out of reach and the controller counts within its window instead. It
 * is set per index all the same: without it every pod of a gang that fails together makes the others wait longer.
 */
const failuresPerIndex = 1_000_000;

/** Long enough for a step checkpoint of a large model. */
const gracePeriodSeconds = 120;

export type JobResource = Job & Resource;
export type ServiceResource = Service & Resource;

export function buildRoleJob(job: RoleJob): JobResource {
  const jobLabels = {
    ...managedLabels,
    [labels.training]: job.owner.name,
    [labels.role]: job.role,
    [labels.attempt]: String(job.attempt),
    ...(job.stage === '' ? {} : { [labels.stage]: job.stage }),
  };
  const template = buildRolePod({
    role: job.role,
    image: job.image,
    claimName: job.claimName,
    config: job.config,
    labels: jobLabels,
    reportUrl: job.reportUrl,
    restartPolicy: 'Never',
    gracePeriodSeconds,
    ...(job.env === undefined ? {} : { env: job.env }),
    ...(job.template === undefined ? {} : { template: job.template }),
    ...(job.resources === undefined ? {} : { resources: job.resources }),
  });
  if (job.pods > 1 && template.spec) template.spec.subdomain = job.name;
  return withDesiredHash({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: job.name,
      namespace: job.owner.namespace,
      labels: jobLabels,
      ...(job.annotations === undefined ? {} : { annotations: job.annotations }),
      ownerReferences: [ownerReference(job.owner)],
    },
    spec: {
      completionMode: 'Indexed',
      completions: job.pods,
      parallelism: job.pods,
      backoffLimitPerIndex: failuresPerIndex,
      maxFailedIndexes: 0,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: { rules: podFailurePolicy },
      template,
    },
  });
}

/** Gives the pods of a Job stable names, also before they are ready: ranks must find each other to become so. */
export function buildHeadlessService(job: JobResource, port: number): ServiceResource {
  const owner = job.metadata.ownerReferences ?? [];
  return withDesiredHash({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: job.metadata.name,
      namespace: job.metadata.namespace,
      labels: job.metadata.labels ?? {},
      ownerReferences: owner,
    },
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { 'batch.kubernetes.io/job-name': job.metadata.name },
      ports: [{ name: 'rendezvous', port }],
    },
  });
}
