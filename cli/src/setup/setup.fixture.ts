/** Pythons and wheels for the tests of the setup, made on the spot: nothing is downloaded. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Output } from './bar.ts';
import { findPython } from './find-python.ts';

/** A real one: the environments of these tests are real. */
export const realPython = findPython(undefined).python;

export interface Recorder extends Output {
  text(): string;
}

export function recorder(): Recorder {
  let text = '';
  return {
    write: (part: string) => {
      text += part;
    },
    text: () => text,
  };
}

/** A shell script in the place of a program. */
export function writeProgram(file: string, script: string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Makes an environment with pip, the slow way that a user's machine goes too. */
export function makePip(folder: string): string {
  execFileSync(realPython, ['-m', 'venv', folder]);
  return folder;
}

/** A Python whose environments borrow the pip of another one: unpacking pip is most of the time of a real one. */
export function quickPython(file: string, pip: string): string {
  return writeProgram(
    file,
    `if [ "$1" = -m ] && [ "$2" = venv ]; then
       ${realPython} -m venv --without-pip "$4" || exit 1
       for packages in "$4"/lib/python*/site-packages; do echo ${pip}/lib/python*/site-packages > "$packages/pip.pth"; done
       exit 0
     fi
     exec ${realPython} "$@"`,
  );
}

const zipper = `
import sys, zipfile
folder, name, version = sys.argv[1:]
info = f"{name}-{version}.dist-info"
with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr(f"{name}.py", f"version = '{version}'\\n")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(f"{info}/RECORD", "")
`;

/** A wheel with one module, and the pip arguments that find it and nothing else. */
export function writeWheel(folder: string, name: string, version: string): string[] {
  mkdirSync(folder, { recursive: true });
  execFileSync(realPython, ['-c', zipper, folder, name, version]);
  return ['--no-index', '--find-links', folder];
}
