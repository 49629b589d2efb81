import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { ensurePython, fetchWheelFile, type PythonOptions } from './python.ts';
import { makePip, quickPython, realPython, recorder, writeProgram, writeWheel } from './setup.fixture.ts';

let pip = '';
beforeAll(() => {
  pip = makePip(mkdtempSync(join(tmpdir(), 'longpo-pip-')));
}, 120_000);
afterAll(() => rmSync(pip, { recursive: true, force: true }));

let folder = '';
let wheels: string[] = [];
const at = (...names: string[]) => join(folder, ...names);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-setup-'));
  wheels = writeWheel(at('wheels'), 'longpo_demo', '1.0');
  writeFileSync(at('requirements.txt'), 'longpo_demo==1.0\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const options = (changed: Partial<PythonOptions> = {}): PythonOptions => ({
  cacheRoot: at('cache'),
  requirementsFile: at('requirements.txt'),
  python: quickPython(at('quick'), pip),
  pipArgs: wheels,
  output: recorder(),
  ...changed,
});

async function problem(work: Promise<unknown>): Promise<{ code: string; exitCode: number; message: string }> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { code: error.code, exitCode: error.exitCode, message: error.message };
  }
  return { code: '', exitCode: 0, message: '' };
}

const demoVersion = (python: string) =>
  execFileSync(python, ['-c', 'import longpo_demo; print(longpo_demo.version)'], { encoding: 'utf8' }).trim();

/** A Python that cannot make an environment before \`ready\` exists, as Debian's without python3-venv. */
const withoutVenv = (ready: string) =>
  writeProgram(
    at('python'),
    `if [ "$1" = -m ] && [ "$2" = venv ] && [ ! -e ${ready} ]; then
       echo "The virtual environment was not created successfully because ensurepip is not available."
       exit 1
     fi
     exec ${quickPython(at('quick'), pip)} "$@"`,
  );

describe('the Python environment', () => {
  it('is made once, with a bar and a log, and found again by the next run', async () => {
    const output = recorder();
    const python = await ensurePython(options({ output, python: realPython }));
    expect(demoVersion(python)).toBe('1.0');
    const lines = output.text().trimEnd().split('\n');
    expect(lines[0]).toMatch(
      /^Setting up Python 3\.\d+ with \S+requirements\.txt in \S+, once \(log: \S+\)$/,
    );
    expect(lines.slice(1, 3)).toEqual([
      '  packages [----------------]   0 %  starting pip',
      '  packages [###########-----]  70 %  installing 0/1 packages',
    ]);
    expect(lines.at(-1)).toBe('  packages [################] 100 %  done');
    const [log = ''] = readdirSync(at('cache', 'logs'));
    expect(readFileSync(at('cache', 'logs', log), 'utf8')).toContain(
      'Successfully installed longpo_demo-1.0',
    );

    const silent = recorder();
    expect(
      await ensurePython(options({ output: silent, python: realPython, pipArgs: ['--no-such-flag'] })),
    ).toBe(python);
    expect(silent.text()).toBe('');
  });

  it('is built again where it was left half-built, and where its Python is gone', async () => {
    const python = await ensurePython(options());
    const environment = join(python, '..', '..');
    rmSync(join(environment, 'complete'));
    writeFileSync(join(environment, 'leftover'), '');
    expect(await ensurePython(options())).toBe(python);
    expect(existsSync(join(environment, 'leftover'))).toBe(false);
    rmSync(python);
    expect(await ensurePython(options())).toBe(python);
    expect(demoVersion(python)).toBe('1.0');
  });

  it('is another one for other requirements', async () => {
    const first = await ensurePython(options());
    writeWheel(at('wheels'), 'longpo_demo', '2.0');
    writeFileSync(at('requirements.txt'), 'longpo_demo==2.0\n');
    const second = await ensurePython(options());
    expect([first, second].map(demoVersion)).toEqual(['1.0', '2.0']);
  });

  it('is made by one of two runs that start together; the other waits for it', async () => {
    const outputs = [recorder(), recorder()];
    const pythons = await Promise.all(outputs.map((output) => ensurePython(options({ output }))));
    expect(new Set(pythons).size).toBe(1);
    const first = outputs.map((output) => output.text().split(' ')[0]).toSorted();
    expect(first).toEqual(['Another', 'Setting']);
    expect(outputs.filter((output) => output.text().includes('100 %'))).toHaveLength(1);
  });

  it('is the one that the user names, unchanged, where that has the trainer', async () => {
    const own = writeProgram(
      at('own'),
      'case "$2" in *version_info*) echo 3.12;; *find_spec*) echo True;; *) exit 1;; esac',
    );
    expect(await ensurePython(options({ python: own }))).toBe(own);
    expect(existsSync(at('cache'))).toBe(false);
  });

  it('ends with the command and the last lines of a pip that fails, and does not count', async () => {
    writeFileSync(at('requirements.txt'), 'longpo_absent==1.0\n');
    const { code, exitCode, message } = await problem(ensurePython(options()));
    expect({ code, exitCode }).toEqual({ code: 'PYTHON_SETUP_FAILED', exitCode: 2 });
    expect(message.split('\n')[0]).toMatch(
      /^`\S+\/bin\/python -m pip install .* -r \S+ --no-index .*` failed \(exit code 1; log: \S+\.log\)$/,
    );
    expect(message).toContain('No matching distribution found for longpo_absent==1.0');
    // What was built for it is no environment for the next run either.
    expect((await problem(ensurePython(options()))).code).toBe('PYTHON_SETUP_FAILED');
  });

  it('names the package that Debian keeps apart', async () => {
    const { code, message } = await problem(ensurePython(options({ python: withoutVenv(at('ready')) })));
    expect(code).toBe('PYTHON_SETUP_FAILED');
    expect(message).toContain(': install it, on Debian `apt-get install python3-venv`\n');
  });

  it('installs that package itself where it may', async () => {
    const aptGet = writeProgram(
      at('apt-get'),
      `echo "$@" >> ${at('calls')}; [ "$1" = update ] || touch ${at('ready')}`,
    );
    const python = await ensurePython(options({ python: withoutVenv(at('ready')), aptGet }));
    expect(demoVersion(python)).toBe('1.0');
    expect(readFileSync(at('calls'), 'utf8')).toBe('update\ninstall -y python3-venv\n');
  });
});

describe('a wheel file', () => {
  const fetch = (requirement: string, pipArgs = wheels) =>
    fetchWheelFile({ python: join(pip, 'bin', 'python'), requirement, cacheRoot: at('cache'), pipArgs });

  it('is downloaded once', async () => {
    const file = await fetch('longpo_demo==1.0');
    expect(file).toBe(at('cache', 'wheels', 'longpo_demo-1.0', 'longpo_demo-1.0-py3-none-any.whl'));
    expect(await fetch('longpo_demo==1.0', ['--no-such-flag'])).toBe(file);
    expect(readdirSync(at('cache', 'wheels'))).toEqual(['longpo_demo-1.0']);
  });

  it('is whole or absent: a download that failed leaves nothing', async () => {
    expect((await problem(fetch('longpo_demo==9.9'))).code).toBe('DOWNLOAD_FAILED');
    expect(readdirSync(at('cache', 'wheels'))).toEqual([]);
    mkdirSync(at('cache', 'wheels', 'longpo_demo-1.0'), { recursive: true });
    expect(existsSync(await fetch('longpo_demo==1.0'))).toBe(true);
  });
});
