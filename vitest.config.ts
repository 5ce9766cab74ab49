import { defineConfig } from 'vitest/config';
import { patienceMs } from './test/support/clock.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/long/**', 'test/bench/**'],
    // Bounds of a hang, not of a slow machine: what has to be fast says so itself.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: patienceMs } },
    maxWorkers: 2,
  },
});
