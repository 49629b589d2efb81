import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { recorder, writeProgram } from '../../../cli/src/setup/setup.fixture.ts';
import { missingPackages, requirePackages } from './packages.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-packages-'));
  const made = folder;
  onTestFinished(() => rmSync(made, { recursive: true }));
});

const bin = () => join(folder, 'bin');
const addProgram = (name: string, script = 'exit 0') => writeProgram(join(bin(), name), script);

it('names a package once for all of its programs', () => {
  addProgram('ip');
  addProgram('mount');
  expect(missingPackages(bin())).toEqual(['util-linux']);
});

it('tells somebody who cannot install packages what to install', async () => {
  const options = { path: bin(), cacheRoot: folder, output: recorder(), aptGet: undefined };
  await expect(requirePackages(options)).rejects.toThrow(
    'the test bed needs iproute2, util-linux, mount: on Debian `apt-get install iproute2 util-linux mount`',
  );
});

it('installs what is missing where it can', async () => {
  for (const name of ['unshare', 'nsenter', 'setpriv', 'mount']) addProgram(name);
  const aptGet = addProgram('apt-get', `[ "$*" != "install -y iproute2" ] || cp ${bin()}/mount ${bin()}/ip`);
  await requirePackages({ path: bin(), cacheRoot: folder, output: recorder(), aptGet });
  expect(missingPackages(bin())).toEqual([]);
});
