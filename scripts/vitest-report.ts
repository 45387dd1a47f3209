import { readFile } from 'node:fs/promises';

/** What vitest's JSON reporter wrote about one run. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  /** Full names of tests that were skipped or are still to be written. */
  readonly skipped: readonly string[];
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly success: boolean;
  readonly testResults: readonly { readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[] }[];
}

/** A run that failed without a failing test (a file that does not load, an unhandled rejection, no report at all) counts as one failure. */
export async function readTally(file: string, runFailed: boolean): Promise<Tally> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return { passed: 0, failed: 1, skipped: [] };
  const report = JSON.parse(text) as Report;
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = report.numFailedTests > 0 ? report.numFailedTests : Number(runFailed || !report.success);
  return {
    passed: report.numPassedTests,
    failed,
    skipped: tests.filter(({ status }) => status !== 'passed' && status !== 'failed').map(({ fullName }) => fullName),
  };
}
