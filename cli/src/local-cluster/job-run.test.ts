import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobs, pods } from '@longpo/controller';
import { expect, it } from 'vitest';
import { startJobController } from './job-controller.ts';
import { ObjectStore } from './object-store.ts';

it('makes one pod for each index of a Job, however often it is told of its own writes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobs-'));
  const store = new ObjectStore(folder);
  const stop = startJobController(store, () => 1000);
  store.put({
    ...jobs,
    metadata: { name: 'train', namespace: 'default' },
    spec: { completions: 3, parallelism: 3, template: { spec: { containers: [] } } },
  });
  await new Promise(setImmediate);
  await stop();
  const indexes = store.list(pods).map(({ metadata }) => metadata.name.split('-')[1]);
  rmSync(folder, { recursive: true });
  expect(indexes.toSorted()).toEqual(['0', '1', '2']);
});
