/** What Services and EndpointSlices say, as names, proxies and tests need it. Pure, over what was watched. */

interface Meta {
  name: string;
  namespace?: string;
  uid?: string;
  labels?: Record<string, string>;
  resourceVersion?: string;
}

export interface Service {
  metadata: Meta;
  spec: {
    type?: string;
    clusterIP?: string;
    externalName?: string;
    ports?: { name?: string; port: number; protocol?: string }[];
  };
}

export interface EndpointSlice {
  metadata: Meta;
  addressType?: string;
  ports?: { name?: string; port?: number; protocol?: string }[] | null;
  endpoints?:
    | {
        addresses: string[];
        hostname?: string;
        conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
      }[]
    | null;
}

export interface Endpoint {
  address: string;
  hostname: string | undefined;
  ports: { name: string; port: number; protocol: string }[];
  /** A Service with publishNotReadyAddresses has all of its endpoints ready: their controller sees to that. */
  isReady: boolean;
  /** Not ready only because it is being ended; it still answers. */
  isDraining: boolean;
}

/** Read access to what the reflectors hold. */
export interface Services {
  service(namespace: string, name: string): Service | undefined;
  services(): Service[];
  slices(namespace?: string): EndpointSlice[];
}

const serviceNameLabel = 'kubernetes.io/service-name';

export const isHeadless = (service: Service): boolean => service.spec.clusterIP === 'None';

export const hasClusterIP = ({ spec: { clusterIP } }: Service): boolean =>
  clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None';

export function endpointsOf(services: Services, namespace: string, name: string): Endpoint[] {
  return services
    .slices(namespace)
    .filter(
      ({ metadata, addressType = 'IPv4' }) =>
        metadata.labels?.[serviceNameLabel] === name && addressType === 'IPv4',
    )
    .flatMap(endpointsIn);
}

function endpointsIn({ endpoints, ports }: EndpointSlice): Endpoint[] {
  const known = (ports ?? []).flatMap(({ name = '', port, protocol = 'TCP' }) =>
    port === undefined ? [] : [{ name, port, protocol }],
  );
  return (endpoints ?? []).flatMap(({ addresses, hostname, conditions = {} }) => {
    const isReady = conditions.ready !== false;
    const isDraining = !isReady && conditions.serving === true && conditions.terminating === true;
    return addresses.map((address) => ({ address, hostname, ports: known, isReady, isDraining }));
  });
}

/** First part of an endpoint's name: its hostname, else its address with dashes, as CoreDNS does. */
export const endpointLabel = ({ hostname, address }: Endpoint): string =>
  hostname ?? address.replaceAll('.', '-');

export const serviceOf = (slice: EndpointSlice): string | undefined =>
  slice.metadata.labels?.[serviceNameLabel];
