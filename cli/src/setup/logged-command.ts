/** A command whose output goes to a log file, line by line past a reader; its last lines are its error. */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { UserError } from '../errors.ts';

export interface LoggedCommand {
  command: string[];
  logFile: string;
  /** Code of the error that a failure becomes. */
  code: string;
  /** Gives false for a line that the log does not need. */
  onLine?: (line: string) => boolean;
  /** Adds the fix to the error of a failure that it knows. */
  hint?: (lastLines: string) => string;
}

const keptLines = 15;
const setpriv = '/usr/bin/setpriv';

/** So that an interrupted setup leaves no pip behind; elsewhere than on Linux pip ends with its terminal. */
export const dyingWithParent = (command: string[]): [string, string[]] => {
  const [executable = '', ...args] = existsSync(setpriv)
    ? [setpriv, '--pdeathsig', 'KILL', '--', ...command]
    : command;
  return [executable, args];
};

export async function runLogged({ command, logFile, code, onLine, hint }: LoggedCommand): Promise<void> {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = createWriteStream(logFile, { flags: 'a' });
  const child = spawn(...dyingWithParent(command), { stdio: ['ignore', 'pipe', 'pipe'] });
  const both = new PassThrough();
  child.stdout.pipe(both, { end: false });
  child.stderr.pipe(both, { end: false });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, signal) => resolve(status === 0 ? '' : `exit code ${status ?? signal}`));
  }).finally(() => both.end());
  let last: string[] = [];
  log.write(`$ ${command.join(' ')}\n`);
  for await (const line of createInterface({ input: both })) {
    if (onLine?.(line) === false) continue;
    log.write(`${line}\n`);
    last = [...last, line].slice(-keptLines);
  }
  log.end();
  await finished(log);
  const failure = await ended;
  if (failure === '') return;
  const lastLines = last.join('\n');
  const fix = hint?.(lastLines) ?? '';
  throw new UserError(
    code,
    `\`${command.join(' ')}\` failed (${failure}; log: ${logFile})${fix}\n${lastLines}`.trimEnd(),
  );
}
