/** Services and slices by hand, for tests of names and ports. */
import type { EndpointSlice, Service, Services } from './services.ts';

export function makeServices(services: Service[], slices: EndpointSlice[]): Services {
  return {
    service: (namespace, name) =>
      services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
    services: () => services,
    slices: (namespace) =>
      slices.filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace),
  };
}

export const makeService = (name: string, spec: Service['spec']): Service => ({
  metadata: { name, namespace: 'ml' },
  spec: { ports: [{ name: 'http', port: 80 }], ...spec },
});

export const makeSlice = (
  service: string,
  endpoints: EndpointSlice['endpoints'],
  ports: EndpointSlice['ports'] = [{ name: 'http', port: 8080, protocol: 'TCP' }],
): EndpointSlice => ({
  metadata: { name: `${service}-x1`, namespace: 'ml', labels: { 'kubernetes.io/service-name': service } },
  addressType: 'IPv4',
  ports,
  endpoints: endpoints ?? [],
});
