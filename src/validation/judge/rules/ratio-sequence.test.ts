import { expect, test } from 'vitest';
import type { Split } from '../batch.ts';
import { logErrorMixture, noErrorMixture, observeErrorMixture, worseRatios } from './error-mixture.ts';
import { betterRatios, logNonInferiority, noNonInferiority, observeNonInferiority } from './non-inferiority.ts';
import { logEAgainst, noRatioCurve, observeRatioCurve, ratioBounds } from './ratio-sequence.ts';

const batches: readonly Split[] = Array.from({ length: 200 }, (_, t) => ({
  share: 0.03 + (t % 5) / 100,
  canaryErrors: t % 3 === 0 ? 1 : 0,
  errors: 2,
}));
const curve = batches.reduce(observeRatioCurve, noRatioCurve);

test.each([0.02, 0.1, 0.9, 1, 1.25, 2, 7.3, 50])('the curve gives the same evidence as A1 and D1 judged at %d from the start', (rho0) => {
  const worse = batches.reduce((mixture, split) => observeErrorMixture(mixture, split, rho0), noErrorMixture);
  const better = batches.reduce((evidence, split) => observeNonInferiority(evidence, split, rho0), noNonInferiority);

  expect(Math.abs(logEAgainst(curve, Math.log(rho0), worseRatios) - logErrorMixture(worse))).toBeLessThan(3e-6 * 400);
  expect(Math.abs(logEAgainst(curve, Math.log(rho0), betterRatios) - logNonInferiority(better))).toBeLessThan(3e-6 * 400);
});

test('the bounds stand exactly where the evidence reaches its bar', () => {
  const { low, high, level } = ratioBounds(curve, 0.05);

  expect(level).toBe(0.95);
  expect(logEAgainst(curve, Math.log(low), worseRatios)).toBeCloseTo(-Math.log(0.9 * 0.05), 5);
  expect(logEAgainst(curve, Math.log(high ?? 0), betterRatios)).toBeCloseTo(-Math.log(0.1 * 0.05), 5);
});

test('the estimate is the most likely ratio', () => {
  // A share of 1/5 and 12 of 32 errors: odds 12/20 over odds 1/4 is 2.4.
  const known = observeRatioCurve(noRatioCurve, { share: 0.2, canaryErrors: 12, errors: 32 });

  expect(ratioBounds(known, 0.01).estimate).toBeCloseTo(2.4, 3);
});

test('without data there is no estimate and no bound', () => {
  expect(ratioBounds(noRatioCurve, 0.01)).toStrictEqual({ estimate: null, low: 0, high: null, level: 0.99 });
  expect(observeRatioCurve(noRatioCurve, { share: 0.1, canaryErrors: 0, errors: 0 })).toBe(noRatioCurve);
});

test('a canary that never failed has the estimate 0 and an upper bound', () => {
  const { estimate, low, high } = ratioBounds(observeRatioCurve(noRatioCurve, { share: 0.5, canaryErrors: 0, errors: 30 }), 0.01);

  expect([estimate, low]).toStrictEqual([0, 0]);
  expect(high).toBeGreaterThan(0.1);
  expect(high).toBeLessThan(1);
});

test('a control that never failed leaves no estimate, and a lower bound', () => {
  const { estimate, low, high } = ratioBounds(observeRatioCurve(noRatioCurve, { share: 0.5, canaryErrors: 30, errors: 30 }), 0.01);

  expect([estimate, high]).toStrictEqual([null, null]);
  expect(low).toBeGreaterThan(1);
  expect(low).toBeLessThan(20);
});

test('evidence beyond the range that is searched ends at the range', () => {
  const { low } = ratioBounds(observeRatioCurve(noRatioCurve, { share: 0.001, canaryErrors: 5000, errors: 5000 }), 0.01);

  expect(low).toBeCloseTo(200, 3);
});
