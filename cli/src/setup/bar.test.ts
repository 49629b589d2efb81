import { describe, expect, it } from 'vitest';
import { createBar, drawBar } from './bar.ts';
import { recorder } from './setup.fixture.ts';

const shares = [0, 0.1, 0.3, 0.45, 0.8, 0.79, 1, 1];

describe('a bar', () => {
  it('stays within its bounds', () => {
    expect([-1, 0, 0.374, 0.999, 7].map(drawBar)).toEqual([
      '[----------------]   0 %',
      '[----------------]   0 %',
      '[######----------]  37 %',
      '[################]  99 %',
      '[################] 100 %',
    ]);
  });

  it('is a line a quarter in a log', () => {
    const output = recorder();
    const bar = createBar(output, 'packages');
    for (const share of shares) bar.update(share, `at ${share}`);
    bar.end();
    expect(output.text().split('\n')).toEqual([
      '  packages [----------------]   0 %  at 0',
      '  packages [#####-----------]  30 %  at 0.3',
      '  packages [#############---]  80 %  at 0.8',
      '  packages [################] 100 %  at 1',
      '',
    ]);
  });

  it('is one row of a terminal, however narrow', () => {
    const output = { ...recorder(), isTTY: true, columns: 20 };
    const bar = createBar(output, 'packages');
    bar.update(0.5, 'a long note');
    bar.end();
    expect(output.text()).toBe('\r\x1b[2K  packages [#######\n');
  });
});
