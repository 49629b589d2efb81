/** Addresses inside every bed. Beds do not see each other, so all use the same. */
export const addresses = {
  /** Of the bridge: the nodes, the control plane and whatever runs inside but in no pod. */
  host: '10.244.0.1',
  /** Pods of node N are 10.244.N.x. */
  podRange: '10.244.0.0/16',
  serviceRange: '10.96.0.0/16',
  dns: '10.96.0.10',
  apiServerPort: 6443,
  etcd: 'http://127.0.0.1:2379',
} as const;

export const clusterDomain = 'cluster.local';

/** What `kubeconfig`s and certificates call the API server. */
export const apiServerName = 'kubernetes.default.svc';

/**
 * Shell script for the first process of a bed: a bridge for the pods, every ClusterIP local, and names of Services for
 * what runs in no pod.
 */
export const networkSetUp = (resolvConf: string): string => `ip -batch - <<LINKS
link set lo up
link add br0 type bridge
addr add ${addresses.host}/16 dev br0
link set br0 up
route add local ${addresses.serviceRange} dev lo
LINKS
mount --bind '${resolvConf}' /etc/resolv.conf`;

export const resolvConf = `nameserver ${addresses.dns}
search svc.${clusterDomain} ${clusterDomain}
options ndots:5
`;
