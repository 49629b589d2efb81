/** What guards a serving: how many of its pods a drain may take at once, and who may reach them. Pure. */
import { type NetworkPolicy, type PodDisruptionBudget, servePort, servingAccessLabel } from '@longpo/api';
import type { Resource } from '../cluster.ts';
import { type Owner, withDesiredHash } from './ownership.ts';
import { childMetadata, servingSelector } from './serving.ts';

/** With one replica it would only stand in the way of every drain. */
export const wantsDisruptionBudget = (replicas: number): boolean => replicas > 1;

export function buildDisruptionBudget(owner: Owner): PodDisruptionBudget & Resource {
  return withDesiredHash({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: childMetadata(owner),
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: servingSelector(owner.name) },
      // A server that is not ready serves nobody, so that it need not hold up a drain.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  });
}

/**
 * In: requests from the namespace itself and from namespaces that an administrator has labelled. Out: nothing, for
 * either engine reads a folder on the claim.
 */
export function buildNetworkPolicy(owner: Owner): NetworkPolicy & Resource {
  return withDesiredHash({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: childMetadata(owner),
    spec: {
      podSelector: { matchLabels: servingSelector(owner.name) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { podSelector: {} },
            { namespaceSelector: { matchLabels: { [servingAccessLabel]: 'true' } } },
          ],
          ports: [{ protocol: 'TCP', port: servePort }],
        },
      ],
      egress: [],
    },
  });
}
