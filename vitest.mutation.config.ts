import { defineConfig } from 'vitest/config';

/** The tests that `npm run mutation` judges the judge by. The simulated guarantees are left out: they take seconds for each mutant. */
export default defineConfig({
  test: {
    // Mutants are many and slow: a test may take its time.
    testTimeout: 30_000,
    include: ['src/validation/judge/*.test.ts', 'src/validation/judge/rules/*.test.ts', 'test/independent/*.test.ts'],
    exclude: ['**/*.live.test.ts', '**/judge.guarantee.test.ts', '**/node_modules/**'],
  },
});
