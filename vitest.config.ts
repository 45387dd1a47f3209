import { defineConfig } from 'vitest/config';

/**
 * Three projects: `pure` needs nothing and belongs to `npm run check`; `db` clones a template database per test file from
 * one embedded PostgreSQL; `live` starts real processes (router, host, git, whole journeys).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'pure',
          include: [
            'src/**/*.test.ts',
            'test/**/*.test.ts',
            'demo/**/*.test.ts',
            'chaos/**/*.test.ts',
            'bench/**/*.test.ts',
            'scripts/**/*.test.ts',
          ],
          exclude: ['**/*.db.test.ts', '**/*.live.test.ts', '**/node_modules/**'],
          // A limit for what hangs, not a measure: a busy machine took 9 s for what takes 1.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'db',
          include: ['src/**/*.db.test.ts', 'test/**/*.db.test.ts'],
          globalSetup: ['test/support/template-database.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'live',
          include: ['src/**/*.live.test.ts', 'test/**/*.live.test.ts', 'demo/**/*.live.test.ts', 'chaos/**/*.live.test.ts'],
          globalSetup: ['test/support/template-database.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
        },
      },
    ],
  },
});
