/** Which Python the environment is made from, or which one the user brings whole. */
import { execFileSync } from 'node:child_process';
import { UserError } from '../errors.ts';

export interface FoundPython {
  python: string;
  /** Major and minor, for instance 3.11 */
  version: string;
}

const candidates = ['python3.13', 'python3.12', 'python3.11', 'python3'];
const oldest = { major: 3, minor: 11 };
/** What the trainer imports; torch itself is not imported here, that takes seconds. */
const trainerModules = ['fastjsonschema', 'safetensors', 'torch', 'transformers'];

function output(python: string, program: string): string | undefined {
  try {
    return execFileSync(python, ['-c', program], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

function versionOf(python: string): string | undefined {
  return output(python, 'import sys; print("%d.%d" % sys.version_info[:2])');
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major === oldest.major && minor >= oldest.minor;
}

/** The one that the user names, else the newest known on PATH. */
export function findPython(named: string | undefined): FoundPython {
  const tried = (named === undefined ? candidates : [named]).map((python) => ({
    python,
    version: versionOf(python),
  }));
  for (const { python, version } of tried)
    if (version !== undefined && isRecent(version)) return { python, version };
  const found = tried.map(({ python, version }) => `${python} ${version ? `is ${version}` : 'does not run'}`);
  const wanted = `Python ${oldest.major}.${oldest.minor} or newer`;
  if (named !== undefined)
    throw new UserError('PYTHON_MISSING', `LONGPO_PYTHON: ${found.join()}: name a ${wanted}, or unset it`);
  throw new UserError(
    'PYTHON_MISSING',
    `no ${wanted} on PATH (${found.join(', ')}): install one, for instance ` +
      '`apt-get install python3 python3-venv`, or name one with LONGPO_PYTHON',
  );
}

export function hasTrainerModules(python: string): boolean {
  const names = JSON.stringify(trainerModules);
  const program = `import importlib.util as u; print(all(u.find_spec(n) for n in ${names}))`;
  return output(python, program) === 'True';
}
