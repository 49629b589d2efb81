#!/usr/bin/env node
/** longpo-serve: the serve role of the pod contract. */
import { writeFileSync } from 'node:fs';
import { exitCodes, type PodResult } from '@longpo/api';
import { readConfig, terminationLogOf } from './config.ts';
import { failureOf } from './failure.ts';
import { type RunningServer, startServer } from './serve.ts';

/** Below the 30 s that a kubelet waits before it kills. */
const graceMs = 25_000;

const log = (values: Readonly<Record<string, unknown>>) =>
  process.stdout.write(
    `${JSON.stringify({ ts: new Date().toISOString(), level: 'info', role: 'serve', ...values })}\n`,
  );

/** Errors that the user can mend; anything else is a bug and keeps its stack. */
function fail(error: unknown): never {
  const failure = failureOf(error);
  if (failure === undefined) throw error;
  const { code, message, exitCode } = failure;
  process.stderr.write(`error[${code}]: ${message}\n`);
  const file = terminationLogOf();
  const result: PodResult = { error: { code, message } };
  if (file !== undefined) writeFileSync(file, JSON.stringify(result));
  process.exit(exitCode);
}

let server: RunningServer | undefined;
let stopping = false;

async function stop(signal: NodeJS.Signals): Promise<void> {
  if (stopping) return;
  stopping = true;
  log({ msg: 'stopping', signal });
  // While the model loads there is no request to wait for.
  await server?.close(graceMs);
  process.exit(exitCodes.done);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

try {
  const { config, host, port } = readConfig();
  server = await startServer({ ...config, host, port, log });
} catch (error) {
  fail(error);
}
