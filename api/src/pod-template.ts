/** What a platform needs on every pod: where it may run, what it gets, and settings that only the platform knows. */
import * as z from 'zod';

export const quantity = z
  .string()
  .regex(/^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi)?$/, {
    error: 'a Kubernetes quantity such as 500m, 64Gi or 8',
  })
  .max(32);

const dnsName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, { error: 'a Kubernetes object name' })
  .max(253);

const resources = z
  .strictObject({
    requests: z.record(z.string().max(253), quantity).optional(),
    limits: z.record(z.string().max(253), quantity).optional(),
  })
  .describe('As in a container, for instance limits: {nvidia.com/gpu: "8"}.');

const toleration = z.strictObject({
  key: z.string().max(316).optional(),
  operator: z.enum(['Exists', 'Equal']).optional(),
  value: z.string().max(63).optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
  tolerationSeconds: z.int().optional(),
});

const keySelector = z.strictObject({
  name: dnsName,
  key: z.string().min(1).max(253),
});

const envVar = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'letters, digits and "_"' })
      .max(128),
    value: z.string().max(4096).optional(),
    valueFrom: z
      .strictObject({ secretKeyRef: keySelector.optional(), configMapKeyRef: keySelector.optional() })
      .optional(),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '(!self.name.startsWith("LONGPO_") || self.name.startsWith("LONGPO_SERVE_")) && self.name != "JOB_COMPLETION_INDEX"',
        message:
          'names that begin with LONGPO_, and JOB_COMPLETION_INDEX, are the pod contract: use another (LONGPO_SERVE_ names set the server)',
        fieldPath: '.name',
      },
      {
        rule: '!(has(self.value) && has(self.valueFrom))',
        message: 'set value or valueFrom, not both',
        fieldPath: '.valueFrom',
      },
    ],
  });

export const podTemplate = z
  .strictObject({
    annotations: z.record(z.string().max(316), z.string().max(4096)).optional(),
    nodeSelector: z.record(z.string().max(316), z.string().max(63)).optional(),
    tolerations: z.array(toleration).max(32).optional(),
    priorityClassName: dnsName.optional(),
    runtimeClassName: dnsName.optional(),
    imagePullSecrets: z
      .array(z.strictObject({ name: dnsName }))
      .max(16)
      .optional(),
    env: z
      .array(envVar)
      .max(64)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .optional()
      .describe('For instance NCCL_IB_HCA, or HF_TOKEN from a secret of the same namespace.'),
    sharedMemory: quantity.optional().describe('Size limit of /dev/shm; unset leaves it to the node.'),
    capabilities: z
      .array(z.enum(['IPC_LOCK']))
      .max(1)
      .optional()
      .describe('Added to a container that else has none; RDMA needs IPC_LOCK.'),
  })
  .describe('Added to every pod.');

/** One role's containers. */
export const roleResources = resources;

export type PodTemplateSettings = z.infer<typeof podTemplate>;
export type RoleResources = z.infer<typeof roleResources>;
