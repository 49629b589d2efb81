#!/usr/bin/env node
/** longpo-serve: the serve role of the pod contract. */
import { writeFileSync } from 'node:fs';
import { exitCodes, type PodResult } from '@longpo/api';
import { readConfig, type ServerConfig, terminationLogOf } from './config.ts';
import { failureOf } from './failure.ts';
import { type RunningServer, startServer } from './serve.ts';

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
let graceMs = 0;
let stopping = false;

async function stop(signal: NodeJS.Signals): Promise<void> {
  // Who asks twice does not want to wait.
  const grace = stopping ? 0 : graceMs;
  stopping = true;
  log({ msg: 'stopping', signal, graceMs: grace });
  // While the model loads there is no request to wait for.
  await server?.close(grace);
  process.exit(exitCodes.done);
}

async function start(config: ServerConfig): Promise<void> {
  graceMs = 1000 * config.drainSeconds;
  log({ msg: 'config', ...config });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  server = await startServer({ ...config, log });
}

try {
  const given = readConfig(process.argv.slice(2));
  if ('help' in given) process.stdout.write(given.help);
  else await start(given.config);
} catch (error) {
  fail(error);
}
