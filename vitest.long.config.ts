import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.ts';

/** The runs that take longer than anyone waits: `npm run test:long`. */
export default mergeConfig(
  base,
  defineConfig({ test: { include: ['test/long/**/*.test.ts'], exclude: [], testTimeout: 3_600_000 } }),
);
