import { defineConfig } from 'vitest/config';

const minute = 60_000;

/** Unit tests stand beside the code. Integration and end-to-end tests use the real model and run one file at a time. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{api,tokens,preferences,server,controller,cli,bench,test/architecture,test/cluster}/**/*.test.ts',
          ],
          testTimeout: minute,
          hookTimeout: minute,
          // Of a machine that does something else meanwhile; a condition that holds ends the wait.
          expect: { poll: { timeout: minute / 3 } },
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 10 * minute,
          hookTimeout: 10 * minute,
          fileParallelism: false,
          maxConcurrency: 3,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 20 * minute,
          hookTimeout: 5 * minute,
          fileParallelism: false,
        },
      },
    ],
  },
});
