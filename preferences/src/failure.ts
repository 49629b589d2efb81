/** How an error ends the process (pod contract): its code, its message, the exit code, and a stack if it is a bug. */
import { exitCodes, type PodError } from '@longpo/api';
import { TokenizerError } from '@longpo/tokens';
import { GenerateError } from './errors.ts';

export interface Failure extends PodError {
  exitCode: number;
  /** Of a bug, for the log. */
  stack?: string;
}

const bugExitCode = 1;
const maxMessage = 2000;

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && 'code' in error;

export function failureOf(error: unknown, stopped: boolean): Failure {
  const failure = (code: string, message: string, exitCode: number): Failure => ({
    code,
    message: message.slice(0, maxMessage),
    exitCode,
  });
  if (stopped) return failure('PREEMPTED', 'stopped from outside; start again to go on', exitCodes.tryAgain);
  if (error instanceof GenerateError) return failure(error.code, error.message, error.exitCode);
  if (error instanceof TokenizerError) return failure(error.code, error.message, exitCodes.config);
  if (isSystemError(error)) return failure('STORAGE_FAILED', error.message, exitCodes.tryAgain);
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return {
    ...failure('INTERNAL', `a bug, please report it: ${message}`, bugExitCode),
    ...(stack ? { stack } : {}),
  };
}
