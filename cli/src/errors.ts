/** Errors that a user can mend: one clear message, a stable code, an exit code and no stack trace. */
import { exitCodes } from '@longpo/api';

export class UserError extends Error {
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number = exitCodes.config) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}
