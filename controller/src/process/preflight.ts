/** Refuses a cluster that this operator cannot work in, with the fix in the message. */
import { setTimeout as sleep } from 'node:timers/promises';
import { apiVersion, kinds } from '@longpo/api';
import { isNotFound } from '../kubernetes/api-error.ts';
import type { Transport } from '../kubernetes/transport.ts';

/** podFailurePolicy, by which failures of pods are told apart, is stable since then. */
const oldestMinor = 31;

export class PreflightError extends Error {
  readonly code: 'CLUSTER_TOO_OLD' | 'KINDS_MISSING';

  constructor(code: PreflightError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

type Caller = Pick<Transport, 'call'>;

/** Kinds may arrive in the same moment as the operator, from one `helm install`. */
const patience = { attempts: 10, pauseMs: 2000 };

/** Resolves with the version of the API server, for instance v1.37.2. */
export async function checkCluster(
  transport: Caller,
  { attempts, pauseMs }: typeof patience = patience,
): Promise<string> {
  const version = await checkVersion(transport);
  for (let attempt = 1; ; attempt++) {
    const missing = await missingKinds(transport);
    if (missing.length === 0) return version;
    if (attempt >= attempts)
      throw new PreflightError(
        'KINDS_MISSING',
        `the API server does not know ${missing.join(' and ')} of ${apiVersion}: install them with ` +
          '`kubectl apply --server-side -f manifests/crds`, or the chart with crds.install=true',
      );
    await sleep(pauseMs);
  }
}

async function checkVersion(transport: Caller): Promise<string> {
  const version = (await transport.call('GET', '/version')) as {
    major?: string;
    minor?: string;
    gitVersion?: string;
  };
  // Some vendors write "31+".
  const [major, minor] = [version.major, version.minor].map((text) => Number.parseInt(text ?? '', 10));
  const { gitVersion = `${version.major}.${version.minor}` } = version;
  const isNewEnough = major !== undefined && minor !== undefined && (major > 1 || minor >= oldestMinor);
  if (isNewEnough) return gitVersion;
  throw new PreflightError(
    'CLUSTER_TOO_OLD',
    `the API server is Kubernetes ${gitVersion}: LongPO needs 1.${oldestMinor} or later`,
  );
}

async function missingKinds(transport: Caller): Promise<string[]> {
  const known = await knownPlurals(transport);
  return Object.values(kinds).flatMap(({ kind, plural }) => (known.has(plural) ? [] : [kind]));
}

async function knownPlurals(transport: Caller): Promise<Set<string>> {
  try {
    const { resources = [] } = (await transport.call('GET', `/apis/${apiVersion}`)) as {
      resources?: { name: string }[];
    };
    return new Set(resources.map(({ name }) => name));
  } catch (error) {
    if (isNotFound(error)) return new Set();
    throw error;
  }
}
