/** The operator's config: every field, its rule and its default. The chart writes it as a ConfigMap. */
import { dnsLabel, role } from '@longpo/api';
import * as z from 'zod';

const maxPort = 65_535;

/** host:port of a socket; port 0 takes a free one. An IPv6 host stands in brackets. */
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/, { error: 'must be host:port, for instance 0.0.0.0:8080' })
  .refine((text) => Number(/\d+$/.exec(text)?.[0]) <= maxPort, { error: `has a port above ${maxPort}` });

const seconds = z.number().positive();
const image = z.string().min(1);

const leaderElection = z
  .strictObject({
    enabled: z.boolean().default(true).describe('false: one replica, which always reconciles.'),
    leaseName: z.string().min(1).max(63).default('longpo-controller'),
    namespace: dnsLabel.max(63).default('longpo-system').describe('Of the Lease; env POD_NAMESPACE sets it.'),
    identity: z
      .string()
      .min(1)
      .max(63)
      .optional()
      .describe('What the name in the Lease begins with; env POD_NAME sets it, else the host name.'),
    leaseDurationSeconds: seconds.default(15).describe('A lease that was not renewed for so long is free.'),
    renewDeadlineSeconds: seconds
      .default(10)
      .describe('A leader that could not renew for so long ends itself.'),
    retryPeriodSeconds: seconds.default(2),
  })
  .refine(
    (lease) =>
      lease.retryPeriodSeconds < lease.renewDeadlineSeconds &&
      lease.renewDeadlineSeconds < lease.leaseDurationSeconds,
    {
      error:
        'needs retryPeriodSeconds < renewDeadlineSeconds < leaseDurationSeconds: else two leaders could act at once',
      path: ['renewDeadlineSeconds'],
    },
  );

export const controllerConfig = z.strictObject({
  images: z
    .strictObject({
      ...(Object.fromEntries(role.options.map((name) => [name, image])) as Record<
        (typeof role.options)[number],
        typeof image
      >),
      vllm: image.describe('An image whose command `vllm serve` works; used by engine vllm.'),
    })
    .describe('Image of the pods of each role.'),
  reportBaseUrl: z
    .url({ protocol: /^https?$/, error: 'must be an http(s) URL, as pods reach the progress Service' })
    .transform((url) => url.replace(/\/+$/, '')),
  listen: z
    .strictObject({
      progress: address.default('0.0.0.0:8080').describe('Where pods report.'),
      metrics: address.default('0.0.0.0:8081').describe('/metrics, /healthz and /readyz.'),
    })
    .prefault({}),
  leaderElection: leaderElection.prefault({}),
  watchNamespaces: z
    .array(dnsLabel.max(63))
    .max(64)
    .default([])
    .describe('Empty: all, which needs a ClusterRole.'),
  progressPeriodSeconds: seconds.default(10).describe('At most one progress write per training in it.'),
  concurrency: z.int().positive().max(64).default(4).describe('Objects of a kind reconciled at once.'),
  qps: z.number().positive().default(50).describe('API calls a second, on average.'),
  burst: z.int().positive().default(100).describe('API calls at once.'),
  stuckAfterSeconds: seconds.default(600).describe('/healthz fails when one reconcile takes longer.'),
  logLevel: z.enum(['info', 'error']).default('info'),
});

export type ControllerConfig = z.infer<typeof controllerConfig>;
