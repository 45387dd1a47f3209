import { expect, test } from 'vitest';
import { at, logAdd, logBeta, logGamma, logMeanExp, logSumExp } from './log-space.ts';

test('sums of exponentials far outside the range of a double stay exact', () => {
  expect(logSumExp([-100_000, -100_000])).toBeCloseTo(-100_000 + Math.LN2, 9);
  expect(logSumExp([100_000, 0])).toBe(100_000);
  expect(logSumExp([0, Math.log(2), Math.log(3)])).toBeCloseTo(Math.log(6), 12);
  expect(logSumExp([3, 1])).toBeCloseTo(Math.log(Math.E ** 3 + Math.E), 12);
  expect(logSumExp([-Infinity])).toBe(-Infinity);
  expect(logSumExp([])).toBe(-Infinity);
});

test('a mean of exponentials is their sum divided by their number', () => {
  expect(logMeanExp([Math.log(2), Math.log(4)])).toBeCloseTo(Math.log(3), 12);
});

test('adding two logarithms does not depend on their order', () => {
  expect(logAdd(Math.log(2), Math.log(3))).toBeCloseTo(Math.log(5), 12);
  expect(logAdd(Math.log(3), Math.log(2))).toBeCloseTo(Math.log(5), 12);
  expect(logAdd(-Infinity, 7)).toBe(7);
  expect(logAdd(-Infinity, -Infinity)).toBe(-Infinity);
  expect(logAdd(0, -50)).toBe(Math.log1p(Math.exp(-50)));
});

test('ln Γ gives the logarithms of factorials and of Γ(1/2), above and below where the series starts', () => {
  let factorial = 0;
  for (let n = 1; n < 200; n += 1) {
    expect(Math.abs(logGamma(n) - factorial)).toBeLessThan(1e-12 * Math.max(factorial, 1));
    factorial += Math.log(n);
  }
  expect(logGamma(0.5)).toBeCloseTo(0.5 * Math.log(Math.PI), 14);
  expect(logGamma(15)).toBeCloseTo(Math.log(87178291200), 12);
  expect(logGamma(0.05)).toBeCloseTo(2.968879201051733, 12);
});

test('ln B(2, 3) is ln 1/12', () => {
  expect(logBeta(2, 3)).toBeCloseTo(-Math.log(12), 13);
});

test('an index outside a table is a bug, not an undefined', () => {
  expect(at([1, 2], 1)).toBe(2);
  expect(() => at([1, 2], 2)).toThrow('expected an index below 2, got 2');
});
