/** The Python environment of the trainer: made once per requirements, found again by every later run. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createBar, type Output } from './bar.ts';
import { lockFile } from './file-lock.ts';
import { type FoundPython, findPython, hasTrainerModules } from './find-python.ts';
import { runLogged } from './logged-command.ts';
import { createPipProgress } from './pip-progress.ts';

export { fetchWheelFile, type WheelOptions } from './wheel.ts';

export interface PythonOptions {
  cacheRoot: string;
  requirementsFile: string;
  /** LONGPO_PYTHON. One that has the trainer's packages is used as it is; the environment is made from another. */
  python: string | undefined;
  pipArgs: string[];
  output: Output;
  /** Debian's apt-get, for root in CI: installs python3-venv where it is missing. Unset, the error names the fix. */
  aptGet?: string;
}

/** 94 wheels of trainer/requirements.txt on Linux, torch's CUDA libraries among them; only the bar depends on it. */
const expectedBytes = 3.12e9;
const setupFailed = 'PYTHON_SETUP_FAILED';

export async function ensurePython(options: PythonOptions): Promise<string> {
  const base = findPython(options.python);
  if (options.python !== undefined && hasTrainerModules(base.python)) return base.python;
  const requirements = readFileSync(options.requirementsFile, 'utf8');
  const hash = createHash('sha256').update(base.version).update(requirements).digest('hex').slice(0, 12);
  const environment = new Environment(join(options.cacheRoot, `python-${hash}`));
  if (environment.isComplete()) return environment.python;
  const lock = await lockFile(base.python, `${environment.folder}.flock`, () =>
    options.output.write('Another process sets up the Python environment; waiting for it ...\n'),
  );
  try {
    if (!environment.isComplete()) await build(environment, base, options);
    return environment.python;
  } finally {
    await lock.release();
  }
}

/** A venv does not survive a move, so it is built where it stays, and counts only with its marker. */
class Environment {
  readonly folder: string;
  readonly python: string;
  readonly #marker: string;

  constructor(folder: string) {
    this.folder = folder;
    this.python = join(folder, 'bin', 'python');
    this.#marker = join(folder, 'complete');
  }

  /** `python` is a link, which dangles once the Python that it was made from is gone. */
  isComplete(): boolean {
    return existsSync(this.#marker) && existsSync(this.python);
  }

  complete(): void {
    writeFileSync(this.#marker, '');
  }
}

async function build(environment: Environment, base: FoundPython, options: PythonOptions): Promise<void> {
  const { cacheRoot, requirementsFile, output } = options;
  const logFile = join(cacheRoot, 'logs', `${basename(environment.folder)}.log`);
  output.write(
    `Setting up Python ${base.version} with ${requirementsFile} in ${environment.folder}, once (log: ${logFile})\n`,
  );
  rmSync(environment.folder, { recursive: true, force: true });
  mkdirSync(cacheRoot, { recursive: true });
  await createVenv(environment.folder, base.python, logFile, options);
  await installRequirements(environment, logFile, options);
  environment.complete();
}

/** Debian ships venv apart from Python. */
const isVenvMissing = (text: string): boolean =>
  /ensurepip is not|No module named '?(venv|ensurepip)/.test(text);

async function createVenv(
  folder: string,
  python: string,
  logFile: string,
  { aptGet, output }: PythonOptions,
): Promise<void> {
  let isMissing = false;
  const hint = (lastLines: string) => {
    isMissing = isVenvMissing(lastLines);
    return isMissing ? ': install it, on Debian `apt-get install python3-venv`' : '';
  };
  const venv = { command: [python, '-m', 'venv', '--clear', folder], logFile, code: setupFailed, hint };
  try {
    await runLogged(venv);
  } catch (error) {
    if (!isMissing || aptGet === undefined) throw error;
    output.write('Installing python3-venv ...\n');
    await runLogged({ command: [aptGet, 'update'], logFile, code: setupFailed });
    await runLogged({ command: [aptGet, 'install', '-y', 'python3-venv'], logFile, code: setupFailed });
    await runLogged(venv);
  }
}

/** `--progress-bar raw` came with pip 24.1. */
function progressFlags(python: string): string[] {
  const version = execFileSync(python, ['-m', 'pip', '--version'], { encoding: 'utf8' });
  const [, major = '0', minor = '0'] = /^pip (\d+)\.(\d+)/.exec(version) ?? [];
  const isRaw = Number(major) > 24 || (Number(major) === 24 && Number(minor) >= 1);
  return ['--progress-bar', isRaw ? 'raw' : 'off'];
}

async function installRequirements(
  { folder, python }: Environment,
  logFile: string,
  { requirementsFile, pipArgs, output }: PythonOptions,
): Promise<void> {
  const bar = createBar(output, 'packages');
  const progress = createPipProgress(expectedBytes, bar.update);
  bar.update(0, 'starting pip');
  const install = [python, '-m', 'pip', 'install', '--no-input', '--disable-pip-version-check'];
  const stopCounting = countInstalled(folder, progress.installed);
  try {
    await runLogged({
      command: [...install, ...progressFlags(python), '-r', requirementsFile, ...pipArgs],
      logFile,
      code: setupFailed,
      onLine: progress.read,
    });
    bar.update(1, 'done');
  } finally {
    stopCounting();
    bar.end();
  }
}

/** Each installed package leaves one folder `<name>-<version>.dist-info`. */
function countInstalled(folder: string, onCount: (count: number) => void): () => void {
  const lib = join(folder, 'lib');
  const packages = readdirSync(lib).map((name) => join(lib, name, 'site-packages'))[0] ?? lib;
  const count = () => readdirSync(packages).filter((name) => name.endsWith('.dist-info')).length;
  const before = count();
  const watcher = watch(packages, () => onCount(count() - before));
  return () => watcher.close();
}
