/** What an operator asked of the API server, filed under the grants that it took; each can be asked once more. */
import { ApiError } from '../../controller/src/kubernetes/api-error.ts';
import type { Method } from '../../controller/src/kubernetes/repeatable.ts';
import type { Transport } from '../../controller/src/kubernetes/transport.ts';
import { type Grant, titleOf } from '../chart/grants.ts';
import type { Call, ProxyHooks } from './api-proxy.ts';

interface Body {
  metadata?: {
    name?: string;
    ownerReferences?: { apiVersion: string; kind: string; blockOwnerDeletion?: boolean }[];
  };
}

export class RecordedCalls {
  readonly #calls = new Map<string, Call>();
  /** Calls that the API server answered with 403. */
  readonly refused: string[] = [];

  /** For `World.open`. */
  readonly hooks: ProxyHooks = {
    onCall: (call) => this.#note(call),
    onWatch: (url) => this.#note({ method: 'GET', url, contentType: undefined, body: '', status: 200 }),
  };

  /** The first call that took this grant. */
  of({ verb, group, resource }: Pick<Grant, 'verb' | 'group' | 'resource'>): Call | undefined {
    return this.#calls.get(keyOf(verb, group, resource));
  }

  #note(call: Call): void {
    if (call.status === 403) this.refused.push(`${call.method} ${call.url.pathname}`);
    else for (const key of keysOf(call)) if (!this.#calls.has(key)) this.#calls.set(key, call);
  }
}

const keyOf = (verb: string, group: string, resource: string) => [verb, group, resource].join(' ');

/** One grant, two when an apply creates, and one more when what is made blocks its owner's deletion. */
function keysOf(call: Call): string[] {
  const { group, resource, name } = placeOf(call.url);
  const verbs: Record<string, string> = { POST: 'create', PATCH: 'patch', PUT: 'update', DELETE: 'delete' };
  const read = call.url.searchParams.has('watch') ? 'watch' : name === undefined ? 'list' : 'get';
  const verb = verbs[call.method] ?? read;
  const taken = [keyOf(verb, group, resource)];
  if (call.status !== 201) return taken;
  const owners = bodyOf(call).metadata?.ownerReferences?.filter(
    ({ blockOwnerDeletion }) => blockOwnerDeletion,
  );
  const finalizers = (owners ?? []).map(({ apiVersion, kind }) =>
    keyOf('update', apiVersion.split('/')[0] ?? '', `${kind.toLowerCase()}s/finalizers`),
  );
  return [...taken, keyOf('create', group, resource), ...finalizers];
}

const bodyOf = ({ body }: Call) => JSON.parse(body) as Body;

function placeOf({ pathname }: URL): { group: string; resource: string; name: string | undefined } {
  const parts = pathname.split('/').filter(Boolean);
  const group = parts[0] === 'api' ? '' : (parts[1] ?? '');
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  const [resource = '', name, subresource] = rest[0] === 'namespaces' ? rest.slice(2) : rest;
  return { group, resource: subresource ? `${resource}/${subresource}` : resource, name };
}

/** Whether the API server refuses the call for want of just this grant. Asking changes nothing. */
export async function isRefused(api: Transport, call: Call, grant: Grant): Promise<boolean> {
  try {
    await ask(api, call, grant);
    return false;
  } catch (error) {
    // What came of the call then, is gone now or is there already: it was let through to be told so.
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 403 || error.message.includes(refusalOf(grant))) return error.status === 403;
    throw new Error(`without "${titleOf(grant)}" the API server says something else: ${error.message}`);
  }
}

/** A 403 has other reasons too, for instance a namespace that ends. */
const refusalOf = ({ verb, group, resource }: Grant): string =>
  resource.endsWith('/finalizers')
    ? "refers to a resource you can't set finalizers on"
    : `cannot ${verb} resource "${resource}" in API group "${group}"`;

async function ask(api: Transport, call: Call, grant: Grant): Promise<void> {
  const { method, url, contentType } = call;
  const query: Record<string, string> = Object.fromEntries(url.searchParams);
  if (grant.verb === 'watch') return firstLine(api, url.pathname, query);
  if (method === 'GET') {
    await api.call('GET', url.pathname, { query });
    return;
  }
  const makes = grant.verb === 'create' || grant.resource.endsWith('/finalizers');
  const { path, body } = makes ? underNewName(call) : { path: url.pathname, body: bodyOf(call) };
  await api.call(method as Method, path, {
    query: { ...query, dryRun: 'All' },
    // Options in the body of a DELETE are all that count.
    body: method === 'DELETE' ? { ...body, dryRun: ['All'] } : body,
    ...(contentType !== undefined && { contentType }),
  });
}

/** What an apply made is there now, and is only made again under another name. */
function underNewName(call: Call): { path: string; body: Body } {
  const body = bodyOf(call);
  const name = body.metadata?.name;
  const path = call.url.pathname;
  if (name === undefined) return { path, body };
  const renamed = { ...body, metadata: { ...body.metadata, name: `${name}-again` } };
  return { path: call.method === 'PATCH' ? `${path}-again` : path, body: renamed };
}

/** Of a watch that begins with a line whatever there is to see. */
async function firstLine(api: Transport, path: string, query: Record<string, string>): Promise<void> {
  const { labelSelector } = query;
  const beginning = {
    ...{ sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true },
    ...{ timeoutSeconds: 5, ...(labelSelector !== undefined && { labelSelector }) },
  };
  for await (const _line of api.watch(path, beginning, new AbortController().signal)) return;
}
