/** What `fieldRef` and `resourceFieldRef` of env and downward API volumes name, and `$(NAME)` in strings. Pure. */
import type { Container } from '@longpo/api';
import type { PodAddresses, PodResource } from './runtime.ts';

const mapEntry = /^metadata\.(labels|annotations)\['(.+)'\]$/;
const lines = (map: Record<string, string>) =>
  Object.entries(map)
    .toSorted(([left], [right]) => left.localeCompare(right))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join('\n');

/** Undefined for a path that there is no such field for. */
export function podField(pod: PodResource, path: string, addresses: PodAddresses = {}): string | undefined {
  const { metadata, spec } = pod;
  const entry = mapEntry.exec(path);
  if (entry) return metadata[entry[1] as 'labels' | 'annotations']?.[entry[2] ?? ''] ?? '';
  const fields: Record<string, string | undefined> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'metadata.labels': lines(metadata.labels ?? {}),
    'metadata.annotations': lines(metadata.annotations ?? {}),
    'spec.nodeName': spec?.nodeName,
    'spec.serviceAccountName': spec?.serviceAccountName ?? 'default',
    'status.podIP': addresses.podIP,
    'status.podIPs': addresses.podIP,
    'status.hostIP': addresses.hostIP,
    'status.hostIPs': addresses.hostIP,
  };
  return fields[path];
}

const suffixes: Record<string, number> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A Kubernetes quantity as a number. */
export function quantity(text: string | number): number {
  const match = /^([\d.]+)([a-zA-Z]*)$/.exec(String(text));
  return Number(match?.[1]) * (match?.[2] ? (suffixes[match[2]] ?? Number.NaN) : 1);
}

/** `limits.memory` and the like, in units of the divisor, rounded up. */
export function resourceField(container: Container, resource: string, divisor = '1'): string {
  const [kind = '', ...name] = resource.split('.');
  const { limits = {}, requests = {} } = container.resources ?? {};
  const key = name.join('.');
  const value = (kind === 'limits' ? limits : requests)[key] ?? requests[key] ?? 0;
  return String(Math.ceil(quantity(value) / (quantity(divisor) || 1)));
}

/** `$(NAME)` becomes the variable's value, `$$` one dollar; a name that is not there stays as it is. */
export const expand = (text: string, env: Record<string, string>): string =>
  text.replace(/\$\$|\$\(([A-Za-z_][\w.-]*)\)/g, (match, name: string | undefined) =>
    name === undefined ? '$' : (env[name] ?? match),
  );
