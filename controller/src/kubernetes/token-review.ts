/** Says whose report a bearer token may make: a pod's own, of the training that its label names, in its namespace. */
import { createHash } from 'node:crypto';
import { labels, tokenAudience } from '@longpo/api';
import { type Cluster, pods, type Resource } from '../cluster.ts';
import type { VerifyToken } from '../progress/endpoint.ts';
import { RateLimit } from '../progress/rate-limit.ts';
import type { Transport } from './transport.ts';

export interface TokenReviewOptions {
  /** An own transport: whoever floods the endpoint with tokens must not slow the reconcilers down. */
  transport: Pick<Transport, 'call'>;
  /** Its live reads should go through that transport too. */
  cluster: Pick<Cluster, 'get' | 'live'>;
  /** Monotonic, in ms. */
  now?(): number;
}

/** The pod that a token is bound to. */
interface Bearer {
  namespace: string;
  pod: string;
  uid: string;
}

interface Review {
  bearer: Promise<Bearer | undefined>;
  expiresAt: number;
}

const path = '/apis/authentication.k8s.io/v1/tokenreviews';
const acceptedMs = 60_000;
/** A pod may ask before the API server has seen its token's service account; it must not wait a minute then. */
const refusedMs = 2_000;
const maxReviews = 20_000;
const maxTokenLength = 16 * 1024;
/** Reviews that wait at once. More come from a flood, and a queue without an end would outlast it by hours. */
const maxPending = 100;
/** Live looks for the pod of one token: a young one needs a few, one that asks for a foreign training gets no more. */
const lookLimit = { burst: 5, perSecond: 0.5 };

/** Resolves with the pod's uid. Fails when the API server cannot be asked; then nobody knows, and the pod should try again. */
export function verifyByTokenReview(options: TokenReviewOptions): VerifyToken {
  const { transport, cluster, now = () => performance.now() } = options;
  const reviews = new Map<string, Review>();
  const looks = new RateLimit({ ...lookLimit, nowMs: now });
  let pending = 0;

  /** Kept by hash, so that no memory dump of this process has tokens to use. */
  async function bearerOf(token: string): Promise<Bearer | undefined> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = reviews.get(key);
    if (known !== undefined && known.expiresAt > now()) return known.bearer;
    if (pending >= maxPending) throw new Error('too many tokens wait for their review');
    const review: Review = { bearer: reviewed(transport, token), expiresAt: now() + acceptedMs };
    reviews.delete(key);
    reviews.set(key, review);
    forgetOldest(reviews);
    pending++;
    try {
      const bearer = await review.bearer;
      if (bearer === undefined) review.expiresAt = now() + refusedMs;
      return bearer;
    } catch (error) {
      reviews.delete(key);
      throw error;
    } finally {
      pending--;
    }
  }

  return async (token, namespace, name) => {
    if (!claimsNamespace(token, namespace)) return undefined;
    const bearer = await bearerOf(token);
    if (bearer === undefined || bearer.namespace !== namespace) return undefined;
    const ref = { ...pods, namespace, name: bearer.pod };
    const mayReport = (pod: Resource | undefined) =>
      pod?.metadata.uid === bearer.uid && pod.metadata.labels?.[labels.training] === name;
    if (mayReport(await cluster.get(ref))) return bearer.uid;
    // A young pod may not have reached the copy yet.
    if (looks.take(bearer.uid) > 0) return undefined;
    return mayReport(await cluster.live.get(ref)) ? bearer.uid : undefined;
  };
}

function forgetOldest(reviews: Map<string, Review>): void {
  const oldest = reviews.keys().next().value;
  if (reviews.size > maxReviews && oldest !== undefined) reviews.delete(oldest);
}

/** What the token says of itself, unproven: enough to refuse without a call what could never be accepted. */
function claimsNamespace(token: string, namespace: string): boolean {
  const payload = token.length <= maxTokenLength ? token.split('.')[1] : undefined;
  if (payload === undefined) return false;
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as {
      aud?: string | string[];
      'kubernetes.io'?: { namespace?: string };
    } | null;
    return (
      [claims?.aud ?? []].flat().includes(tokenAudience) && claims?.['kubernetes.io']?.namespace === namespace
    );
  } catch {
    return false;
  }
}

interface TokenReviewStatus {
  authenticated?: boolean;
  audiences?: string[];
  user?: { username?: string; extra?: Record<string, string[]> };
}

async function reviewed(transport: Pick<Transport, 'call'>, token: string): Promise<Bearer | undefined> {
  const { status = {} } = (await transport.call('POST', path, {
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [tokenAudience] },
    },
    repeatable: true, // it stores nothing
  })) as { status?: TokenReviewStatus };
  // A server that knows no audiences lists none, and may have accepted a token for anything.
  if (status.authenticated !== true || !status.audiences?.includes(tokenAudience)) return undefined;
  const namespace = /^system:serviceaccount:([^:]+):[^:]+$/.exec(status.user?.username ?? '')?.[1];
  const pod = status.user?.extra?.['authentication.kubernetes.io/pod-name']?.[0];
  const uid = status.user?.extra?.['authentication.kubernetes.io/pod-uid']?.[0];
  if (namespace === undefined || pod === undefined || uid === undefined) return undefined;
  return { namespace, pod, uid };
}
