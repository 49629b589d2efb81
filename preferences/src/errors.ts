/** What ends a generation, with the exit code of the pod contract. */
import { exitCodes } from '@longpo/api';

export class GenerateError extends Error {
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number = exitCodes.config) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}
