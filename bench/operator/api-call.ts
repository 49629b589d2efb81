/** One call as the API server's audit log tells it, and what can be counted of many. Pure. */

export interface ApiCall {
  /** For instance `system:serviceaccount:longpo-system:longpo-controller`. */
  user: string;
  /** Kubernetes' verbs: get, list, watch, create, update, patch, delete ... */
  verb: string;
  /** Plural with its subresource, for instance `jobs`, `longpotrainings/status`. */
  resource: string;
  namespace: string;
  name: string;
  status: number;
  /** When the API server had answered, in ms since 1970 by its clock, to a microsecond. */
  answeredMs: number;
  /** Path and query. */
  uri: string;
}

interface AuditEvent {
  verb: string;
  requestURI: string;
  user: { username: string };
  objectRef?: { resource?: string; subresource?: string; namespace?: string; name?: string };
  responseStatus?: { code?: number };
  stageTimestamp: string;
}

export function parseAuditLine(line: string): ApiCall {
  const {
    verb,
    requestURI,
    user,
    objectRef = {},
    responseStatus,
    stageTimestamp,
  } = JSON.parse(line) as AuditEvent;
  const { resource = '', subresource, namespace = '', name = '' } = objectRef;
  return {
    ...{ verb, namespace, name, user: user.username, uri: requestURI },
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    status: responseStatus?.code ?? 0,
    answeredMs: microseconds(stageTimestamp),
  };
}

/** Date.parse drops what is below a millisecond. */
function microseconds(timestamp: string): number {
  const [, whole = '', fraction = '0'] = /^([^.Z]+)(?:\.(\d+))?Z$/.exec(timestamp) ?? [];
  return Date.parse(`${whole}Z`) + Number(`0.${fraction}`) * 1000;
}

const writing = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

export const isWrite = ({ verb }: ApiCall): boolean => writing.has(verb);

/** Renewals of the lease go on for ever and belong to no training. */
export const isOfLease = ({ resource }: ApiCall): boolean => resource === 'leases';

/** `verb resource` -> how often, the most frequent first. */
export function countCalls(calls: readonly ApiCall[]): Map<string, number> {
  const groups = Map.groupBy(calls, ({ verb, resource }) => `${verb} ${resource}`);
  const counts = [...groups].map(([name, { length }]): [string, number] => [name, length]);
  return new Map(counts.toSorted(([a, n], [b, m]) => m - n || a.localeCompare(b)));
}

/**
 * For each training the ms from the answer to its creation until the answer to that of its first Job. A training
 * without a Job is left out. A Job's name begins with its training's and a dash.
 */
export function firstJobDelays(calls: readonly ApiCall[], trainings: readonly string[]): number[] {
  const made = (wanted: string) =>
    calls.filter(({ verb, resource, status }) => verb === 'create' && resource === wanted && status === 201);
  const created = new Map(made('longpotrainings').map(({ name, answeredMs }) => [name, answeredMs]));
  const jobs = made('jobs').toSorted((a, b) => a.answeredMs - b.answeredMs);
  return trainings.flatMap((training) => {
    const job = jobs.find(({ name }) => name.startsWith(`${training}-`));
    const from = created.get(training);
    return job === undefined || from === undefined ? [] : [job.answeredMs - from];
  });
}
