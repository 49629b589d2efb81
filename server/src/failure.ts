/** Which errors a user can mend, and the exit code of each (pod contract). Anything else is a bug. */
import { exitCodes, type PodError } from '@longpo/api';
import { TokenizerError } from '@longpo/tokens';
import { ApiKeysError } from './api/api-keys.ts';
import { ConfigError } from './config/sources.ts';
import { PortInUseError } from './listener.ts';
import { ModelError } from './model/model-error.ts';

export interface Failure extends PodError {
  readonly exitCode: number;
}

/** The content of the folder is not what its manifest says. */
const mismatches: readonly string[] = ['CHECKPOINT_CORRUPT', 'CHECKPOINT_FILE_MISSING'];
const maxMessage = 2000;

export function failureOf(error: unknown): Failure | undefined {
  const known =
    error instanceof ModelError ||
    error instanceof TokenizerError ||
    error instanceof ConfigError ||
    error instanceof ApiKeysError ||
    error instanceof PortInUseError;
  if (!known) return undefined;
  return {
    code: error.code,
    message: error.message.slice(0, maxMessage),
    exitCode: mismatches.includes(error.code) ? exitCodes.mismatch : exitCodes.config,
  };
}
