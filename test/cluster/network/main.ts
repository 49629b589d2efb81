/** NETWORK of a bed: names and ClusterIPs, from Services and EndpointSlices. Env: KUBECONFIG. */
import { loadConnection } from '../../../controller/src/kubernetes/connection.ts';
import { Reflector } from '../../../controller/src/kubernetes/reflector.ts';
import { Transport } from '../../../controller/src/kubernetes/transport.ts';
import { addresses } from '../bed/addresses.ts';
import { readInsideConfig } from '../config.ts';
import { DnsServer } from './dns-server.ts';
import { answerQuestion } from './names.ts';
import { servicePorts } from './service-ports.ts';
import { ServiceProxy } from './service-proxy.ts';
import type { EndpointSlice, Service, Services } from './services.ts';

const { kubeconfig } = readInsideConfig();
const transport = new Transport(loadConnection({ kubeconfig }), { userAgent: 'longpo-bed-network' });
const proxy = new ServiceProxy();
let isDue = false;

/** Many events of one turn of the loop lead to one update. */
function onEvent(): void {
  if (isDue) return;
  isDue = true;
  setImmediate(() => {
    isDue = false;
    proxy.update(servicePorts(services));
  });
}

const onError = (error: unknown) => void process.stderr.write(`${new Date().toISOString()} ${error}\n`);
const watched = { transport, onEvent, onError };
const serviceCopy = new Reflector<Service>({ ...watched, path: '/api/v1/services' });
const sliceCopy = new Reflector<EndpointSlice>({
  ...watched,
  path: '/apis/discovery.k8s.io/v1/endpointslices',
});

const services: Services = {
  service: (namespace, name) => serviceCopy.get(namespace, name),
  services: () => serviceCopy.list(),
  slices: (namespace) => sliceCopy.list(namespace),
};

await Promise.all([serviceCopy.start(), sliceCopy.start()]);
// Until now nobody listened, so a resolver asks again; an empty answer would have been believed.
await new DnsServer({
  address: addresses.dns,
  port: 53,
  answer: ({ name, type }) => answerQuestion(services, name, type),
}).listen();
