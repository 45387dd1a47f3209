/**
 * `npm run check`: format, lint, types, layout, dead code, the checked-in openapi.json, the lock file, and the pure tests.
 * Under a minute. The same steps are the first part of `npm test`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root, runSteps, type Step } from './steps.ts';

const openapi: readonly Step[] = existsSync(join(root, 'scripts/openapi.ts'))
  ? [{ name: 'openapi.json is what the server says', command: ['node', 'scripts/openapi.ts', '--check'] }]
  : [];

/** The longest first, so that the last one to end is a short one. */
export const checks: readonly Step[] = [
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'types', command: ['node', 'node_modules/typescript-native/bin/tsc', '--noEmit', '-p', '.'] },
  { name: 'layout', command: ['depcruise', 'src', '--output-type', 'err-long'], judge: cruisedEnough },
  { name: 'dead code', command: ['knip', '--no-progress'] },
  ...openapi,
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'lock file', command: ['node', 'scripts/lockfile.ts'] },
];

export function pureTests(report?: string): Step {
  const reporters = ['--reporter=default', ...(report === undefined ? [] : ['--reporter=json', `--outputFile.json=${report}`])];
  return { name: 'pure tests', command: ['vitest', 'run', '--project', 'pure', ...reporters] };
}

/** With a TypeScript that it cannot load, dependency-cruiser reads nothing and finds no violation in it. */
function cruisedEnough(output: string): string | undefined {
  const modules = Number(/\((\d+) modules/.exec(output)?.[1] ?? 0);
  return modules > 50 ? undefined : `expected more than 50 modules to be read, got ${modules}`;
}

if (import.meta.main) {
  const outcomes = await runSteps([pureTests(), ...checks], 2);
  const failed = outcomes.filter((outcome) => outcome.failed).map(({ name }) => name);
  if (failed.length > 0) console.log(`Failed: ${failed.join(', ')}`);
  process.exit(failed.length === 0 ? 0 : 1);
}
