import { defineConfig } from 'vitest/config';

/** The runs that take longer than anyone waits: `npm run test:long`. */
export default defineConfig({
  test: { include: ['test/long/**/*.test.ts'], testTimeout: 3_600_000, hookTimeout: 60_000, maxWorkers: 1 },
});
