/** The Node object and its lease: what the scheduler and the node controller know of this agent. */
import { arch, release } from 'node:os';
import { timestamp } from '../../../cli/src/pod/index.ts';
import { isAlreadyExists, isNotFound } from '../../../controller/src/kubernetes/api-error.ts';
import type { Transport } from '../../../controller/src/kubernetes/transport.ts';
import { addresses } from '../bed/addresses.ts';

export interface NodeOptions {
  api: Pick<Transport, 'call'>;
  name: string;
  capacity: Record<string, string>;
  kubeletPort: number;
  onError(error: unknown): void;
}

const renewEveryMs = 10_000;
const leaseSeconds = 40;
const strategicMerge = 'application/strategic-merge-patch+json';
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
const version = 'v1.37.2';

interface NodeObject {
  status?: { conditions?: { type: string; status: string }[] };
}

const microTime = () => new Date().toISOString().replace('Z', '000Z');

function conditions(now: string): object[] {
  const healthy = { Ready: 'True', MemoryPressure: 'False', DiskPressure: 'False', PIDPressure: 'False' };
  return Object.entries(healthy).map(([type, status]) => ({
    type,
    status,
    reason: type === 'Ready' ? 'KubeletReady' : `KubeletHasNo${type}`,
    message: type === 'Ready' ? 'the agent runs' : 'not measured',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }));
}

function nodeStatus({ name, capacity, kubeletPort }: NodeOptions): object {
  return {
    capacity,
    allocatable: capacity,
    conditions: conditions(timestamp(new Date())),
    addresses: [
      { type: 'InternalIP', address: addresses.host },
      { type: 'Hostname', address: name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
    nodeInfo: {
      ...{ kubeletVersion: version, kubeProxyVersion: version, containerRuntimeVersion: 'process://1' },
      ...{ machineID: name, systemUUID: name, bootID: name, kernelVersion: release(), osImage: 'longpo bed' },
      ...{ operatingSystem: 'linux', architecture: architecture() },
    },
    // Lets the API server pass a kubectl's WebSocket on as it is.
    declaredFeatures: ['ExtendWebSocketsToKubelet'],
  };
}

const architecture = () => (arch() === 'x64' ? 'amd64' : arch());

async function register(options: NodeOptions): Promise<void> {
  const { api, name } = options;
  const labels = {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture(),
  };
  const body = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
  try {
    await api.call('POST', '/api/v1/nodes', { body });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  await api.call('PATCH', `/api/v1/nodes/${name}/status`, {
    body: { status: nodeStatus(options) },
    contentType: strategicMerge,
    repeatable: true,
  });
}

async function renewLease({ api, name }: NodeOptions): Promise<void> {
  const spec = { holderIdentity: name, leaseDurationSeconds: leaseSeconds, renewTime: microTime() };
  try {
    const contentType = 'application/merge-patch+json';
    await api.call('PATCH', `${leases}/${name}`, { body: { spec }, contentType });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await api.call('POST', leases, { body: { metadata: { name, namespace: 'kube-node-lease' }, spec } });
  }
}

/** A node that was taken for dead, or deleted, must be told of again: the lease alone does not make it ready. */
async function isKnownReady({ api, name }: NodeOptions): Promise<boolean> {
  try {
    const node = (await api.call('GET', `/api/v1/nodes/${name}`)) as NodeObject;
    return (
      node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
    );
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Resolves when the node is ready for pods; keeps it so until the returned function is called. */
export async function startNode(options: NodeOptions): Promise<() => void> {
  await register(options);
  await renewLease(options);
  const timer = setInterval(() => {
    void (async () => {
      await renewLease(options);
      if (!(await isKnownReady(options))) await register(options);
    })().catch(options.onError);
  }, renewEveryMs);
  return () => clearInterval(timer);
}
