/** GET /docs: Swagger UI over /openapi.json, from the package on this disk; nothing is loaded from elsewhere. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Hono } from 'hono';
import type { ApiEnv } from './request-record.ts';

const assets: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
};

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>LongPO model server</title>
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

const start = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#reference', validatorUrl: null });\n`;

/** Swagger UI sets styles and small images in place, and no more. */
const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

export function referencePage(): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  const { resolve } = createRequire(import.meta.url);
  app.get('/docs', (c) => {
    c.header('content-security-policy', policy);
    return c.html(page);
  });
  app.get('/docs/start.js', (c) => c.body(start, 200, { 'content-type': 'text/javascript; charset=utf-8' }));
  for (const [name, type] of Object.entries(assets))
    app.get(`/docs/${name}`, async (c) =>
      c.body(new Uint8Array(await readFile(resolve(`swagger-ui-dist/${name}`))), 200, {
        'content-type': type,
        'cache-control': 'max-age=86400',
      }),
    );
  return app;
}
