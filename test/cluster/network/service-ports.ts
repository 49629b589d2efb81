/** Where a ClusterIP's ports lead. Pure. */
import { endpointsOf, hasClusterIP, type Service, type Services } from './services.ts';

export interface Target {
  host: string;
  port: number;
}

export interface ServicePort {
  address: string;
  port: number;
  /** Never empty: a port without endpoints refuses connections, as kube-proxy makes it. */
  targets: Target[];
}

/** Ready endpoints; those that are being ended serve while there are no others, as with kube-proxy. */
function targetsOf(services: Services, { metadata }: Service, portName: string): Target[] {
  const endpoints = endpointsOf(services, metadata.namespace ?? '', metadata.name);
  const ready = endpoints.filter(({ isReady }) => isReady);
  const usable = ready.length > 0 ? ready : endpoints.filter(({ isDraining }) => isDraining);
  return usable.flatMap(({ address, ports }) =>
    ports
      .filter(({ name, protocol }) => name === portName && protocol === 'TCP')
      .map(({ port }) => ({ host: address, port })),
  );
}

/** TCP ports that somebody answers on, by `address:port`. */
export function servicePorts(services: Services): Map<string, ServicePort> {
  const ports = services
    .services()
    .filter(hasClusterIP)
    .flatMap((service) =>
      (service.spec.ports ?? [])
        .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
        .map(({ port, name = '' }) => ({
          address: service.spec.clusterIP ?? '',
          port,
          targets: targetsOf(services, service, name),
        })),
    );
  return new Map(
    ports
      .filter(({ targets }) => targets.length > 0)
      .map((port): [string, ServicePort] => [`${port.address}:${port.port}`, port]),
  );
}
