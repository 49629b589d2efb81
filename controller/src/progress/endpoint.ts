/** HTTP endpoint that pods report to: POST .../longpotrainings/<name>/progress with their bearer token. */
import { apiVersion, kinds, progressReport } from '@longpo/api';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Logger } from '../logger.ts';
import { RateLimit } from './rate-limit.ts';
import type { ProgressStore } from './store.ts';

/**
 * Who may report for a training with a bearer token: the pod's uid by TokenReview in a cluster, anything that is the
 * same for the same reporter locally; undefined when nobody may. Throws when it cannot tell now.
 */
export type VerifyToken = (token: string, namespace: string, name: string) => Promise<string | undefined>;

/** What became of a report; the label of a metric. */
export type ReportOutcome =
  | 'accepted'
  | 'stale'
  | 'too_large'
  | 'unauthorized'
  | 'unverified'
  | 'rate_limited'
  | 'invalid';

export interface ProgressEndpointOptions {
  logger?: Logger;
  onReport?(outcome: ReportOutcome): void;
  /** Per reporter. */
  rateLimit?: RateLimit;
}

const maxBodyBytes = 64 * 1024;
/** A pod reports every few seconds: many more come from a broken one. */
const reporterLimit = { burst: 20, perSecond: 2 };
const retryWhenUnverifiedSeconds = 5;
/** While tokens cannot be verified every report meets the same error; a few lines say it. */
const errorLogLimit = { burst: 10, perSecond: 0.1 };

export function createProgressEndpoint(
  store: ProgressStore,
  verifyToken: VerifyToken,
  options: ProgressEndpointOptions = {},
): Hono {
  const { onReport = () => undefined, rateLimit = new RateLimit(reporterLimit), logger } = options;
  const errorLog = new RateLimit(errorLogLimit);
  const logUnverified = (values: Record<string, unknown>) => {
    if (errorLog.take('') === 0) logger?.error('token not verified', values);
  };
  const refuse = (
    c: Context,
    outcome: ReportOutcome,
    status: ContentfulStatusCode,
    code: string,
    message: string,
    retryAfterSeconds?: number,
  ) => {
    onReport(outcome);
    if (retryAfterSeconds !== undefined) c.header('retry-after', String(Math.ceil(retryAfterSeconds)));
    return c.json({ error: { code, message } }, status);
  };
  const limit = bodyLimit({
    maxSize: maxBodyBytes,
    onError: (c) =>
      refuse(c, 'too_large', 413, 'BODY_TOO_LARGE', `a progress report has at most ${maxBodyBytes} bytes`),
  });
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok'));
  app.post(
    `/apis/${apiVersion}/namespaces/:namespace/${kinds.training.plural}/:name/progress`,
    limit,
    async (c) => {
      const { namespace, name } = c.req.param();
      const token = /^Bearer (.+)$/.exec(c.req.header('authorization') ?? '')?.[1];
      let reporter: string | undefined;
      try {
        reporter = token && (await verifyToken(token, namespace, name));
      } catch (error) {
        logUnverified({ namespace, name, error: String(error) });
        const message = 'the token cannot be verified now: report again';
        return refuse(c, 'unverified', 503, 'UNAVAILABLE', message, retryWhenUnverifiedSeconds);
      }
      if (reporter === undefined || reporter === '') {
        const message = `the bearer token may not report for ${namespace}/${name}`;
        return refuse(c, 'unauthorized', 401, 'UNAUTHORIZED', message);
      }
      const waitSeconds = rateLimit.take(reporter);
      if (waitSeconds > 0) {
        const message = `reports come too often: ${reporterLimit.perSecond} a second are taken`;
        return refuse(c, 'rate_limited', 429, 'TOO_MANY_REPORTS', message, waitSeconds);
      }
      const parsed = progressReport.safeParse(await c.req.json().catch(() => undefined));
      if (!parsed.success) {
        const issue = parsed.error.issues[0];
        const message = `${issue?.path.join('.') || 'body'}: ${issue?.message}`;
        return refuse(c, 'invalid', 400, 'REPORT_INVALID', message);
      }
      const ref = { apiVersion, kind: kinds.training.kind, namespace, name };
      onReport(store.record(ref, parsed.data) ? 'accepted' : 'stale');
      return c.body(null, 204);
    },
  );
  return app;
}
