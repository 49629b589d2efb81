import { expect, it } from 'vitest';
import { recorder } from '../../../cli/src/setup/setup.fixture.ts';
import { createBuildProgress, elapsed } from './build-progress.ts';

it('counts downloaded modules and compiled packages, and says how long it takes', () => {
  const output = recorder();
  let now = 0;
  const progress = createBuildProgress(output, 'building it', '10 min cold', () => now);
  for (const line of [
    'go: downloading k8s.io/api v0.37.2',
    'k8s.io/api/core/v1',
    'fmt',
    '# a warning: of cgo',
  ])
    progress.read(line);
  now = 250_000;
  progress.end();
  expect(output.text()).toBe(
    'building it, 0s, 0 packages compiled (10 min cold)\n' +
      'building it, 4m10s, 1 modules downloaded, 2 packages compiled (10 min cold)\n',
  );
});

it('writes seconds below a minute, then minutes', () => {
  expect([0, 59_999, 60_000, 605_000].map(elapsed)).toEqual(['0s', '59s', '1m00s', '10m05s']);
});
