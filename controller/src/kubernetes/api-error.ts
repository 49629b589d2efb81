/** A refusal of the API server, as its Status object tells it. */
import { ClusterError } from '../cluster.ts';

/** `status` is the HTTP status; `reason` is Kubernetes' StatusReason, or '' where the server gave none. */
export class ApiError extends ClusterError {
  override name = 'ApiError';
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(reason, message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** No answer came: the connection failed, broke, or took longer than allowed. */
export class ConnectionError extends Error {
  override name = 'ConnectionError';
}

interface StatusBody {
  code?: number;
  reason?: string;
  message?: string;
  details?: { retryAfterSeconds?: number };
}

/** Proxies and overloaded servers answer in text, so nothing about the body is taken for granted. */
export function apiError(httpStatus: number, body: unknown, retryAfterHeader?: string): ApiError {
  const status: StatusBody = typeof body === 'object' && body !== null ? body : {};
  const header = Number(retryAfterHeader ?? Number.NaN);
  const retryAfter = Number.isFinite(header) && header >= 0 ? header : status.details?.retryAfterSeconds;
  const text = typeof body === 'string' ? body.trim().slice(0, 300) : '';
  const message = status.message || text || `the API server answered ${httpStatus}`;
  return new ApiError(httpStatus, status.reason ?? '', message, retryAfter);
}

/** The Status that a watch sends as the object of an ERROR event. */
export const watchError = (object: unknown): ApiError =>
  apiError((object as StatusBody | undefined)?.code ?? 500, object);

const hasStatus = (error: unknown, status: number): error is ApiError =>
  error instanceof ApiError && error.status === status;

export const isNotFound = (error: unknown): boolean => hasStatus(error, 404);
export const isUnauthorized = (error: unknown): boolean => hasStatus(error, 401);
/** A precondition failed, or another writer came first. AlreadyExists is a 409 too, and is not one of these. */
export const isConflict = (error: unknown): boolean =>
  hasStatus(error, 409) && error.reason !== 'AlreadyExists';
export const isAlreadyExists = (error: unknown): boolean =>
  hasStatus(error, 409) && error.reason === 'AlreadyExists';
/** A patch that names the uid of a predecessor is told that the uid is immutable; it means the same as a conflict. */
export const asConflict = (error: unknown): unknown =>
  hasStatus(error, 422) && error.message.includes('metadata.uid: Invalid value')
    ? new ApiError(409, 'Conflict', error.message)
    : error;
/**
 * The resource version or the continue token is of no more use: too old (410), or from a future that this server does
 * not know, as after a restore of etcd.
 */
export const isExpired = (error: unknown): boolean =>
  error instanceof ApiError &&
  (error.status === 410 ||
    error.reason === 'Expired' ||
    error.reason === 'Gone' ||
    /too large resource version/i.test(error.message));
