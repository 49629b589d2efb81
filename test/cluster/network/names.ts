/** Names of a cluster (Kubernetes' DNS specification 1.1, without IPv6): from a question to its answer. Pure. */
import { clusterDomain } from '../bed/addresses.ts';
import { type Answer, type DnsRecord, recordTypes, responseCodes } from './dns-message.ts';
import {
  type Endpoint,
  endpointLabel,
  endpointsOf,
  hasClusterIP,
  isHeadless,
  type Service,
  type Services,
  serviceOf,
} from './services.ts';

const noSuchName: Answer = { code: responseCodes.noSuchName, records: [] };
const ok = (records: DnsRecord[]): Answer => ({ code: responseCodes.ok, records });

/** A name that exists answers "ok, nothing" to a type that it has no records of, for instance AAAA. */
export function answerQuestion(services: Services, name: string, type: number): Answer {
  const lower = name.toLowerCase();
  if (lower.endsWith('.in-addr.arpa')) return reverse(services, lower, type);
  const suffix = `.svc.${clusterDomain}`;
  if (!lower.endsWith(suffix)) return noSuchName;
  const labels = lower.slice(0, -suffix.length).split('.');
  const namespace = labels.pop() ?? '';
  const service = services.service(namespace, labels.pop() ?? '');
  if (service === undefined) return noSuchName;
  const subject = { services, service, namespace, name };
  if (labels.length === 0) return ofService(subject, type);
  if (labels.length === 1) return ofEndpoint(subject, labels[0] ?? '', type);
  const [port = '', protocol = ''] = labels;
  if (labels.length === 2 && port.startsWith('_') && protocol.startsWith('_'))
    return ofPort(subject, port.slice(1), protocol.slice(1), type);
  return noSuchName;
}

interface Subject {
  services: Services;
  service: Service;
  namespace: string;
  /** As it was asked, which the records repeat. */
  name: string;
}

const ready = ({ services, service, namespace }: Subject): Endpoint[] =>
  endpointsOf(services, namespace, service.metadata.name).filter(({ isReady }) => isReady);

const addressRecords = (name: string, addresses: string[], type: number): DnsRecord[] =>
  type === recordTypes.A
    ? [...new Set(addresses)].map((address) => ({ type: 'A' as const, name, address }))
    : [];

function ofService(subject: Subject, type: number): Answer {
  const { spec } = subject.service;
  const { name } = subject;
  if (spec.type === 'ExternalName') return ok([{ type: 'CNAME', name, target: spec.externalName ?? '' }]);
  if (hasClusterIP(subject.service)) return ok(addressRecords(name, [spec.clusterIP ?? ''], type));
  const endpoints = ready(subject);
  // CoreDNS too: without endpoints a headless Service has no name.
  if (endpoints.length === 0) return noSuchName;
  return ok(
    addressRecords(
      name,
      endpoints.map(({ address }) => address),
      type,
    ),
  );
}

function ofEndpoint(subject: Subject, label: string, type: number): Answer {
  if (!isHeadless(subject.service)) return noSuchName;
  const found = ready(subject).filter((endpoint) => endpointLabel(endpoint) === label);
  if (found.length === 0) return noSuchName;
  return ok(
    addressRecords(
      subject.name,
      found.map(({ address }) => address),
      type,
    ),
  );
}

const serviceName = (name: string, namespace: string): string => `${name}.${namespace}.svc.${clusterDomain}`;

/** `_http._tcp.name.namespace.svc...`: where a named port is. */
function ofPort(subject: Subject, port: string, protocol: string, type: number): Answer {
  const { service, namespace, name } = subject;
  const own = serviceName(service.metadata.name, namespace);
  const isIt = (candidate: { name?: string; protocol?: string }) =>
    candidate.name === port && (candidate.protocol ?? 'TCP').toLowerCase() === protocol;
  const targets = isHeadless(service)
    ? ready(subject).flatMap((endpoint) =>
        endpoint.ports.filter(isIt).map((found) => ({
          target: `${endpointLabel(endpoint)}.${own}`,
          port: found.port,
        })),
      )
    : (service.spec.ports ?? []).filter(isIt).map((found) => ({ target: own, port: found.port }));
  if (targets.length === 0) return noSuchName;
  const records = targets.map((target) => ({ type: 'SRV' as const, name, ...target }));
  return ok(type === recordTypes.SRV ? records : []);
}

/** gloo and c10d ask for the names of their peers. */
function reverse(services: Services, name: string, type: number): Answer {
  const address = name.split('.').slice(0, 4).reverse().join('.');
  const target = nameOfEndpoint(services, address) ?? nameOfService(services, address);
  if (target === undefined) return noSuchName;
  return ok(type === recordTypes.PTR ? [{ type: 'PTR', name, target }] : []);
}

function nameOfService(services: Services, address: string): string | undefined {
  const found = services.services().find(({ spec }) => spec.clusterIP === address);
  return found && serviceName(found.metadata.name, found.metadata.namespace ?? '');
}

/** Only endpoints with a hostname have one name that is theirs. */
function nameOfEndpoint(services: Services, address: string): string | undefined {
  for (const slice of services.slices())
    for (const { addresses, hostname } of slice.endpoints ?? []) {
      const service = serviceOf(slice);
      if (hostname !== undefined && service !== undefined && addresses.includes(address))
        return `${hostname}.${serviceName(service, slice.metadata.namespace ?? '')}`;
    }
  return undefined;
}
