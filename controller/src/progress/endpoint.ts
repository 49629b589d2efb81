/** HTTP endpoint that pods report to: POST .../longpotrainings/<name>/progress with their bearer token. */
import { apiVersion, kinds, progressReport } from '@longpo/api';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { ProgressStore } from './store.ts';

/** Says whether a bearer token may report for a training: TokenReview in a cluster, a per-run secret locally. */
export type VerifyToken = (token: string, namespace: string, name: string) => Promise<boolean>;

const maxBodyBytes = 64 * 1024;

export function createProgressEndpoint(store: ProgressStore, verifyToken: VerifyToken): Hono {
  const app = new Hono();
  const problem = (code: string, message: string) => ({ error: { code, message } });
  app.get('/healthz', (c) => c.text('ok'));
  app.post(
    `/apis/${apiVersion}/namespaces/:namespace/${kinds.training.plural}/:name/progress`,
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: (c) =>
        c.json(problem('BODY_TOO_LARGE', `a progress report has at most ${maxBodyBytes} bytes`), 413),
    }),
    async (c) => {
      const { namespace, name } = c.req.param();
      const token = /^Bearer (.+)$/.exec(c.req.header('authorization') ?? '')?.[1];
      if (token === undefined || !(await verifyToken(token, namespace, name)))
        return c.json(
          problem('UNAUTHORIZED', `the bearer token may not report for ${namespace}/${name}`),
          401,
        );
      const parsed = progressReport.safeParse(await c.req.json().catch(() => undefined));
      if (!parsed.success) {
        const issue = parsed.error.issues[0];
        return c.json(
          problem('REPORT_INVALID', `${issue?.path.join('.') || 'body'}: ${issue?.message}`),
          400,
        );
      }
      store.record({ apiVersion, kind: kinds.training.kind, namespace, name }, parsed.data);
      return c.body(null, 204);
    },
  );
  return app;
}
