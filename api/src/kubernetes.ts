/** Types of the core Kubernetes objects that we read and build; JSON-shaped, no run-time cost. */
export type { CustomResourceDefinition } from 'kubernetes-types/apiextensions/v1.d.ts';
export type { Deployment } from 'kubernetes-types/apps/v1.d.ts';
export type { Job, PodFailurePolicyRule } from 'kubernetes-types/batch/v1.d.ts';
export type {
  Container,
  EnvVar,
  Pod,
  PodSpec,
  PodTemplateSpec,
  Probe,
  Service,
} from 'kubernetes-types/core/v1.d.ts';
export type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from 'kubernetes-types/meta/v1.d.ts';
export type { NetworkPolicy } from 'kubernetes-types/networking/v1.d.ts';
export type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts';
