#!/usr/bin/env node
/**
 * longpo-controller: the operator. Exit codes: 0 after SIGTERM, 1 when it cannot work on (lease lost, cluster unfit,
 * a bug), 2 when its config is wrong.
 */
import { ConfigError, printable, type RunConfig, readConfig } from './config.ts';
import { createLogger, type Logger } from './logger.ts';
import { type Operator, startOperator } from './process/operator.ts';
import { PreflightError } from './process/preflight.ts';

/** Below the 30 s that a kubelet waits before it kills. */
const graceMs = 25_000;

function fail(code: string, message: string, exitCode: number): never {
  process.stderr.write(`error[${code}]: ${message.replaceAll(/\s+/g, ' ')}\n`);
  process.exit(exitCode);
}

function configOf(): RunConfig {
  try {
    return readConfig();
  } catch (error) {
    if (error instanceof ConfigError) fail(error.code, error.message, error.exitCode);
    throw error;
  }
}

function die(logger: Logger, msg: string, error?: unknown): never {
  const stack = error instanceof Error ? error.stack : undefined;
  logger.error(msg, error === undefined ? {} : { error: String(error), ...(stack && { stack }) });
  process.exit(1);
}

const config = configOf();
const { identity } = config.leaderElection;
const logger = createLogger((line) => void process.stdout.write(line), { identity }, config.logLevel);
process.on('uncaughtException', (error) => die(logger, 'unhandled error', error));
process.on('unhandledRejection', (error) => die(logger, 'unhandled error', error));

let operator: Operator | undefined;
let isStopping = false;

async function stop(signal: NodeJS.Signals): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  logger.info('stopping', { signal });
  setTimeout(() => die(logger, 'did not stop in time'), graceMs).unref();
  // Before it is synced there is nothing to end: no lease, no work, no report.
  await operator?.stop();
  logger.info('stopped');
  process.exit(0);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

logger.info('starting', { config: printable(config) });
try {
  operator = await startOperator({
    config,
    logger,
    onLeaseLost: () => die(logger, 'lease lost'),
    onFatal: (error) => die(logger, 'cannot work on', error),
  });
} catch (error) {
  if (error instanceof PreflightError) fail(error.code, error.message, 1);
  die(logger, 'cannot start', error);
}
