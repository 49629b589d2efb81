/** The files of volumes that are made of objects: configMap, secret, downwardAPI, service account tokens. */
import type { PodSpec } from '@longpo/api';
import {
  NotReadyError,
  type PodAddresses,
  type PodResource,
  podField,
  resourceField,
} from '../../../cli/src/pod/index.ts';
import type { ClusterObjects, Data } from './cluster-objects.ts';

export type Volume = NonNullable<PodSpec['volumes']>[number];
type Source = NonNullable<NonNullable<Volume['projected']>['sources']>[number];
type Item = { key: string; path: string; mode?: number };

export interface VolumeFile {
  content: string | Buffer;
  mode: number | undefined;
}

export interface VolumeContent {
  files: Map<string, VolumeFile>;
  /** When the files must be made again, because a token in them runs out. */
  refreshAfterMs?: number;
}

export interface ContentContext {
  pod: PodResource;
  addresses: PodAddresses;
  objects: ClusterObjects;
}

/** A token is renewed when a fifth of its life is left, as a kubelet does. */
const renewAtShare = 0.8;
const longestRefreshMs = 24 * 3600 * 1000;

function pick(data: Data, items: Item[] | undefined): VolumeContent['files'] {
  const wanted: Item[] = items ?? Object.keys(data).map((key) => ({ key, path: key }));
  return new Map(
    wanted.map(({ key, path, mode }) => {
      const content = data[key];
      if (content === undefined) throw new NotReadyError(`references non-existent config key: ${key}`);
      return [path, { content, mode }];
    }),
  );
}

function downward(source: NonNullable<Source['downwardAPI']>, { pod, addresses }: ContentContext) {
  const files: VolumeContent['files'] = new Map();
  for (const { path, fieldRef, resourceFieldRef, mode } of source.items ?? []) {
    const container = pod.spec?.containers.find(({ name }) => name === resourceFieldRef?.containerName);
    const content =
      resourceFieldRef && container
        ? resourceField(container, resourceFieldRef.resource, resourceFieldRef.divisor)
        : podField(pod, fieldRef?.fieldPath ?? '', addresses);
    files.set(path, { content: content ?? '', mode });
  }
  return files;
}

async function contentOf(source: Source, context: ContentContext): Promise<VolumeContent> {
  const { pod, objects } = context;
  const { namespace, name, uid = '' } = pod.metadata;
  const { configMap, secret, downwardAPI, serviceAccountToken: token } = source;
  if (configMap) {
    const data = await objects.configMap(namespace, configMap.name ?? '', configMap.optional);
    return { files: data ? pick(data, configMap.items) : new Map() };
  }
  if (secret) {
    const data = await objects.secret(namespace, secret.name ?? '', secret.optional);
    return { files: data ? pick(data, secret.items) : new Map() };
  }
  if (downwardAPI) return { files: downward(downwardAPI, context) };
  if (token === undefined)
    throw new NotReadyError('this agent does not know the source of a projected volume');
  const expirationSeconds = token.expirationSeconds ?? 3600;
  const content = await objects.token({
    namespace,
    serviceAccount: pod.spec?.serviceAccountName ?? 'default',
    audience: token.audience,
    expirationSeconds,
    pod: { name, uid },
  });
  return {
    files: new Map([[token.path, { content, mode: undefined }]]),
    refreshAfterMs: Math.min(expirationSeconds * 1000 * renewAtShare, longestRefreshMs),
  };
}

/** The sources of a volume; undefined for a volume that is not made of objects. */
export function sourcesOf(volume: Volume): { sources: Source[]; mode: number } | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  const mode = (configMap ?? secret ?? downwardAPI ?? projected)?.defaultMode ?? 0o644;
  if (projected) return { sources: projected.sources ?? [], mode };
  if (configMap) return { sources: [{ configMap }], mode };
  if (downwardAPI) return { sources: [{ downwardAPI }], mode };
  if (secret === undefined) return undefined;
  const { secretName, items, optional } = secret;
  const source = { name: secretName ?? '', ...(items && { items }), ...(optional && { optional }) };
  return { sources: [{ secret: source }], mode };
}

export async function contentOfAll(sources: Source[], context: ContentContext): Promise<VolumeContent> {
  const contents = await Promise.all(sources.map((source) => contentOf(source, context)));
  const refreshes = contents.flatMap(({ refreshAfterMs }) => refreshAfterMs ?? []);
  return {
    files: new Map(contents.flatMap(({ files }) => [...files])),
    ...(refreshes.length > 0 && { refreshAfterMs: Math.min(...refreshes) }),
  };
}
