/** The node agent: one process is one node of the test bed. Ends with its pods; nothing of them outlives it. */
import { mkdirSync } from 'node:fs';
import type { PodResource } from '../../../cli/src/pod/index.ts';
import { loadConnection } from '../../../controller/src/kubernetes/connection.ts';
import { Reflector } from '../../../controller/src/kubernetes/reflector.ts';
import { Transport } from '../../../controller/src/kubernetes/transport.ts';
import { addresses } from '../bed/addresses.ts';
import { BedRuntime } from './bed-runtime.ts';
import { ClusterObjects } from './cluster-objects.ts';
import { readAgentConfig } from './config.ts';
import { startKubeletServer } from './kubelet-server.ts';
import { NodePods } from './node-pods.ts';
import { startNode } from './node-registration.ts';
import { AddressPool } from './sandbox.ts';
import { removeFolder, unmountBelow } from './volumes.ts';

const config = readAgentConfig();
const { nodeName, nodeIndex, runFolder } = config;
const onError = (error: unknown) => {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
};
process.on('unhandledRejection', onError);

await unmountBelow(runFolder);
removeFolder(runFolder);
mkdirSync(runFolder, { recursive: true });
const connection = loadConnection({ kubeconfig: config.kubeconfig });
const api = new Transport(connection, { userAgent: `longpo-agent/${nodeName}`, perSecond: 200, burst: 400 });
const objects = new ClusterObjects(api);
const pool = new AddressPool(nodeIndex);
const runtime = new BedRuntime({ images: config.images, runFolder, nodeIndex, pool, objects, onError });
const pods = new NodePods({ api, runtime, nodeName, runFolder, onError });
const port = 10_249 + nodeIndex;
await startKubeletServer({ pods, nodeName, runFolder, host: addresses.host, port });
const reflector = new Reflector<PodResource>({
  transport: api,
  path: '/api/v1/pods',
  query: { fieldSelector: `spec.nodeName=${nodeName}` },
  onEvent: (event) => pods.handle(event),
  onError,
});
await startNode({ api, name: nodeName, capacity: config.capacity, kubeletPort: port, onError });
await reflector.start();
process.stdout.write(`node ${nodeName} is ready\n`);
