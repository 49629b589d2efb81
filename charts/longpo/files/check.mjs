// `helm test`: the operator is ready, and the API server serves the kinds. Runs in the controller's image.
import { readFileSync } from 'node:fs';

const [readyUrl, apiUrl] = process.argv.slice(2);
const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const patienceMs = 60_000;
const pauseMs = 1000;

async function ready() {
  const answer = await fetch(readyUrl);
  if (!answer.ok) throw new Error(`${readyUrl} answers ${answer.status}`);
}

async function kindsServed() {
  const authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
  const answer = await fetch(apiUrl, { headers: { authorization } });
  if (!answer.ok) throw new Error(`${apiUrl} answers ${answer.status}`);
  const served = (await answer.json()).resources.map(({ kind }) => kind);
  for (const kind of ['LongPOTraining', 'LongPOServing'])
    if (!served.includes(kind)) throw new Error(`${apiUrl} does not serve ${kind}`);
}

/** Pods just after an installation: names and endpoints may take a moment. */
async function eventually(check) {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

try {
  await eventually(ready);
  console.log(`ready: ${readyUrl}`);
  await eventually(kindsServed);
  console.log(`served: ${apiUrl}`);
} catch (error) {
  console.error(`${error.message}${error.cause ? `: ${error.cause.message}` : ''}`);
  process.exitCode = 1;
}
