/** A Python with the clients of the tests. */
import { readConfig } from '../../../cli/src/config.ts';
import { ensureLayeredPython } from '../../../cli/src/setup/layered-python.ts';

/** Current on PyPI on 2026-11-28. */
const requirements = ['openai==3.57.0', 'lm_eval[api]==0.4.13'];

/** `python` is the trainer's. */
export function ensureClientPython(python: string): string {
  const { cacheRoot, pipArgs } = readConfig();
  return ensureLayeredPython({ cacheRoot, name: 'clients', python, requirements, pipArgs });
}
