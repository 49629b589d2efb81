import { describe, expect, it } from 'vitest';
import { createPipProgress } from './pip-progress.ts';

function run(lines: (string | number)[]): { shown: string[]; kept: string[] } {
  const shown: string[] = [];
  const progress = createPipProgress(1e9, (share, note) => shown.push(`${(share * 100).toFixed(0)} ${note}`));
  const kept = lines.filter((line): line is string => {
    if (typeof line === 'string') return progress.read(line);
    progress.installed(line);
    return false;
  });
  return { shown, kept };
}

describe('the progress of pip', () => {
  it('counts each wheel once the next begins, where pip tells only its size (before 24.1)', () => {
    const { shown } = run([
      'Collecting torch==2.15.0 (from -r requirements.txt (line 2))',
      '  Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl (500.0 MB)',
      'Collecting filelock (from torch==2.15.0)',
      '  Downloading filelock-4.2.12-py3-none-any.whl (222 kB)',
      '  Using cached https://index.example/simple/mpmath-1.3.0-py3-none-any.whl (536 kB)',
      'Installing collected packages: mpmath, filelock, torch',
      2,
      3,
      'Successfully installed filelock-4.2.12 mpmath-1.3.0 torch-2.15.0',
    ]);
    expect(shown).toEqual([
      '0 torch (0 MB so far)',
      '35 filelock (500 MB so far)',
      '35 mpmath (500 MB so far)',
      '70 installing 0/3 packages',
      '85 installing 2/3 packages',
      '93 installing 3/3 packages',
    ]);
  });

  it('counts bytes as they come with --progress-bar raw, and keeps them out of the log', () => {
    const { shown, kept } = run([
      'Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl (500.0 MB)',
      'Progress 100000000 of 500000000',
      'Progress 500000000 of 500000000',
      'Downloading numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl (100.0 MB)',
      'Progress 50000000 of 100000000',
    ]);
    expect(shown).toEqual([
      '0 torch (0 MB so far)',
      '7 torch (100 MB so far)',
      '35 torch (500 MB so far)',
      '35 numpy (500 MB so far)',
      '39 numpy (550 MB so far)',
    ]);
    expect(kept).toHaveLength(2);
  });

  it('never passes the downloads, whatever else an index sends', () => {
    const { shown } = run([
      'Downloading a-1-py3-none-any.whl (3.0 GB)',
      'Downloading b-1-py3-none-any.whl (12 bytes)',
    ]);
    expect(shown).toEqual(['0 a (0 MB so far)', '70 b (3000 MB so far)']);
  });

  it('does not take packages that pip did not announce for installed ones', () => {
    expect(run([1, 2, 'Requirement already satisfied: a']).shown).toEqual([]);
  });
});
