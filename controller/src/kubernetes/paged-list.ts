/** Lists that may be long, a page at a time. */
import { ApiError } from './api-error.ts';
import type { Query, Transport } from './transport.ts';

/** As little of an object as a cache needs; namespace is absent for nodes and other objects outside namespaces. */
export interface Keyed {
  metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string };
}

interface ListPage {
  apiVersion: string;
  kind: string;
  metadata: { resourceVersion?: string; continue?: string };
  items: object[] | null;
}

export interface Page {
  /** Of the whole list, the same on every page; '' from a server that gives none. */
  resourceVersion: string;
  items: Keyed[];
}

export async function* pagedList(
  transport: Pick<Transport, 'call'>,
  path: string,
  query: Query,
  { pageSize = 500, signal }: { pageSize?: number; signal?: AbortSignal } = {},
): AsyncGenerator<Page> {
  let token: string | undefined;
  do {
    const page = (await transport.call('GET', path, {
      query: { ...query, limit: pageSize, continue: token },
      ...(signal && { signal }),
    })) as ListPage | undefined;
    if (page?.metadata === undefined) throw new ApiError(200, '', `${path} did not answer with a list`);
    // The items of core types come without their kind: the list's says it.
    const type = { apiVersion: page.apiVersion, kind: page.kind.replace(/List$/, '') };
    yield {
      resourceVersion: page.metadata.resourceVersion ?? '',
      items: (page.items ?? []).map((item) => ({ ...type, ...item }) as Keyed & typeof type),
    };
    token = page.metadata.continue || undefined;
  } while (token !== undefined);
}
