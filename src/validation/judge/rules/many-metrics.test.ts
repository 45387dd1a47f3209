import { expect, test } from 'vitest';
import { alphaOfAttempt } from './alpha-budget.ts';
import { logAverageEvidence } from './average-evidence.ts';
import { blame } from './e-bh.ts';
import { isStopped, noHardStop, observeHardStop } from './hard-stop.ts';

test('the average of E-values by hand', () => {
  const parts = [
    { logE: Math.log(10), weight: 0.5 },
    { logE: Math.log(2), weight: 0.25 },
    { logE: 0, weight: 0.25 },
  ];

  expect(logAverageEvidence(parts)).toBeCloseTo(Math.log(5.75), 12);
  expect(logAverageEvidence([{ logE: 3, weight: 1 }])).toBe(3);
});

test('e-BH by hand: of four metrics at 5 %, E of 80 needs company, 41 and 30 are named together with it', () => {
  const named = (...es: readonly number[]) =>
    blame(
      es.map((e, i) => ({ i, logE: Math.log(e) })),
      0.05,
    ).map(({ i }) => i);

  expect(named(81, 1, 1, 1)).toStrictEqual([0]);
  expect(named(79, 1, 1, 1)).toStrictEqual([]);
  expect(named(1, 41, 79, 1)).toStrictEqual([2, 1]);
  expect(named(27, 30, 79, 0.1)).toStrictEqual([2, 1, 0]);
  expect(named()).toStrictEqual([]);
});

test('the attempts of a release share one alpha, however many there are', () => {
  expect(alphaOfAttempt(0.01, 1)).toBe(0.005);
  expect(alphaOfAttempt(0.01, 2)).toBe(0.0025);
  const spent = Array.from({ length: 200 }, (_, k) => alphaOfAttempt(0.01, k + 1)).reduce((a, b) => a + b, 0);
  expect(spent).toBeLessThanOrEqual(0.01 + 1e-15);
});

const silent = { requests: 0, errors: 0 };

test('ten users in a row without a success and without control traffic stop the canary', () => {
  const five = observeHardStop(noHardStop, { requests: 5, errors: 5 }, silent);
  const ten = observeHardStop(five, { requests: 5, errors: 5 }, silent);

  expect(isStopped(five, 10)).toBe(false);
  expect(isStopped(ten, 10)).toBe(true);
});

test('a success, or a control that serves, starts the row again; silence does not', () => {
  const five = observeHardStop(noHardStop, { requests: 5, errors: 5 }, silent);

  expect(observeHardStop(five, { requests: 5, errors: 4 }, silent)).toBe(noHardStop);
  expect(observeHardStop(five, { requests: 5, errors: 5 }, { requests: 1, errors: 1 })).toBe(noHardStop);
  expect(observeHardStop(noHardStop, { requests: 5, errors: 4 }, silent)).toBe(noHardStop);
  expect(observeHardStop(five, silent, silent)).toBe(five);
});

test('one user who retries is one failure, and not nine successes', () => {
  const stop = observeHardStop(noHardStop, { requests: 10, errors: 1, failedRequests: 10 }, silent);

  expect(stop).toStrictEqual({ failuresInARow: 1 });
});
