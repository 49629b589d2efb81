import { defineConfig } from 'vitest/config';

// One project: unit tests stand beside the code. Integration and e2e tests have configs of their own in test/.
export default defineConfig({
  test: {
    include: ['{api,tokens,preferences,server,controller,cli,test/architecture}/**/*.test.ts'],
    testTimeout: 30_000,
    reporters: ['default'],
  },
});
