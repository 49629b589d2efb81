import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { findPython, hasTrainerModules } from './find-python.ts';
import { realPython, writeProgram } from './setup.fixture.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-python-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function problem(named: string): { code: string; exitCode: number; message: string } {
  try {
    findPython(named);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { code, exitCode, message } = error;
    return { code, exitCode, message: message.replaceAll(folder, '') };
  }
  return { code: '', exitCode: 0, message: '' };
}

describe('the Python', () => {
  it('is the one that is named, with its version', () => {
    const python = writeProgram(join(folder, 'python'), 'echo 3.12');
    expect(findPython(python)).toEqual({ python, version: '3.12' });
  });

  it('is missing where the named one does not run, or is too old', () => {
    expect(problem(join(folder, 'nowhere'))).toEqual({
      code: 'PYTHON_MISSING',
      exitCode: 2,
      message: 'LONGPO_PYTHON: /nowhere does not run: name a Python 3.11 or newer, or unset it',
    });
    const old = writeProgram(join(folder, 'old'), 'echo 3.9');
    expect(problem(old).message).toBe('LONGPO_PYTHON: /old is 3.9: name a Python 3.11 or newer, or unset it');
    const two = writeProgram(join(folder, 'two'), 'echo 2.15');
    expect(problem(two).code).toBe('PYTHON_MISSING');
  });

  it('is not taken for one with the trainer before it has every package', () => {
    const program = (answer: string) => writeProgram(join(folder, answer), `echo ${answer}`);
    expect([hasTrainerModules(program('True')), hasTrainerModules(program('False'))]).toEqual([true, false]);
    // A bare interpreter, without the packages of the one that it came from.
    const bare = writeProgram(join(folder, 'bare'), `exec ${realPython} -I -S "$@"`);
    expect(hasTrainerModules(bare)).toBe(false);
  });
});
