import { expect, test } from 'vitest';
import { logEvenPriors, noErrorMixture, observeErrorMixture } from './error-mixture.ts';
import { beginRestarts, logRestarted, noRestarts, restartedShare, restartShare } from './restart.ts';

const hourly = { everySeconds: 60, share: 0.5, horizonSeconds: 3600 };
const endless = { everySeconds: 60, share: 0.5 };

test('with a horizon, half of the capital is spread evenly over the restarts before its end', () => {
  expect(restartedShare(1, hourly)).toBeCloseTo(0.5 / 59, 12);
  expect(restartedShare(59, hourly)).toBe(0.5);
  expect(restartedShare(200, hourly)).toBe(0.5);
  expect(restartedShare(1, { ...hourly, horizonSeconds: 60 })).toBe(0.5);
  expect(restartedShare(0, hourly)).toBe(0);
});

test('without a horizon, the first hour gets four fifths and every later hour still some', () => {
  expect(restartedShare(60, endless)).toBeCloseTo(0.4, 12);
  expect(restartedShare(30, endless)).toBeCloseTo(0.2, 12);
  expect(restartedShare(120, endless)).toBeCloseTo(0.45, 12);
  expect(restartedShare(90, endless)).toBeCloseTo(0.425, 12);
  expect(restartedShare(180, endless)).toBeCloseTo(0.5 * (0.8 + 0.2 * (2 / 3)), 12);
  expect(restartedShare(60 * 24 * 365, endless)).toBeLessThan(0.5);
  expect(restartedShare(61, endless)).toBeGreaterThan(restartedShare(60, endless));
});

test('E is 1 before the first error, however many restarts have begun', () => {
  const begun = beginRestarts(noRestarts(7, restartShare), noErrorMixture, 600, hourly);

  expect(logRestarted(noRestarts(7, restartShare), noErrorMixture, hourly, logEvenPriors)).toBeCloseTo(0, 12);
  expect(begun.begun).toBe(10);
  expect(logRestarted(begun, noErrorMixture, hourly, logEvenPriors)).toBeCloseTo(0, 12);
});

test('a restart begins at its second, not one before, and once', () => {
  const none = noRestarts(7, restartShare);

  expect(beginRestarts(none, noErrorMixture, 59, hourly)).toBe(none);
  const begun = beginRestarts(none, noErrorMixture, 60, hourly);
  expect(begun.begun).toBe(1);
  expect(beginRestarts(begun, noErrorMixture, 119, hourly)).toBe(begun);
});

test('after its last restart nothing more begins', () => {
  const all = beginRestarts(noRestarts(7, restartShare), noErrorMixture, 3600, hourly);

  expect(beginRestarts(all, noErrorMixture, 100_000, hourly)).toBe(all);
  expect(logRestarted(all, noErrorMixture, hourly, logEvenPriors)).toBeCloseTo(0, 12);
});

test('restarts make good what a long healthy time has cost', () => {
  const healthy = observeErrorMixture(noErrorMixture, { share: 0.05, canaryErrors: 50, errors: 1000 }, 1);
  const begun = beginRestarts(noRestarts(7, restartShare), healthy, 1200, hourly);
  const harmed = observeErrorMixture(healthy, { share: 0.05, canaryErrors: 20, errors: 100 }, 1);

  expect(logRestarted(begun, harmed, hourly, logEvenPriors)).toBeGreaterThan(Math.log(100));
  expect(logRestarted(noRestarts(7, restartShare), harmed, hourly, logEvenPriors)).toBeLessThan(1);
});
