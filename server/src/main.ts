#!/usr/bin/env node
/** longpo-serve: the serve role of the pod contract. */
import { writeFileSync } from 'node:fs';
import { exitCodes } from '@longpo/api';
import { TokenizerError } from '@longpo/tokens';
import { readConfig, terminationLogOf } from './config.ts';
import { ModelError } from './model/model-error.ts';
import { PortInUseError, startServer } from './serve.ts';

const graceMs = 20_000;

const log = (values: Record<string, unknown>) =>
  process.stdout.write(
    `${JSON.stringify({ ts: new Date().toISOString(), level: 'info', role: 'serve', ...values })}\n`,
  );

/** Errors that the user can mend; anything else is a bug and keeps its stack. */
function fail(error: unknown): never {
  if (!(error instanceof ModelError || error instanceof TokenizerError || error instanceof PortInUseError))
    throw error;
  process.stderr.write(`error[${error.code}]: ${error.message}\n`);
  const file = terminationLogOf();
  if (file !== undefined)
    writeFileSync(
      file,
      JSON.stringify({ error: { code: error.code, message: error.message.slice(0, 2000) } }),
    );
  process.exit(error.code.startsWith('CHECKPOINT_') ? exitCodes.mismatch : exitCodes.config);
}

try {
  const { config, host, port } = readConfig();
  const server = await startServer({ ...config, host, port, log });
  const stop = () => void server.close(graceMs).then(() => process.exit(exitCodes.done));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  fail(error);
}
