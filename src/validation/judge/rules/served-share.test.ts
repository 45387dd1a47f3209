import { expect, test } from 'vitest';
import { logDirichletMixture } from './dirichlet-mixture.ts';
import { logServedShare, noServedShare, observeServedShare, shareToleranceFor, type ServedShare } from './served-share.ts';

function served(canary: number, all: number, expected: number, tolerance: number): ServedShare {
  return observeServedShare(noServedShare, { expected, canary, all }, tolerance);
}

test('without a tolerance the check is A2 with two cells', () => {
  expect(logServedShare(served(30, 1000, 0.05, 1), 1)).toBeCloseTo(logDirichletMixture([30, 970], [0.05, 0.95]), 9);
  expect(logServedShare(noServedShare, 1)).toBe(0);
  expect(logServedShare(served(0, 0, 0.05, 1), 1)).toBe(0);
});

test('a share within the tolerance is no evidence, one beyond it on either side is', () => {
  expect(logServedShare(served(600, 10_000, 0.05, 1.5), 1.5)).toBeLessThan(0);
  expect(logServedShare(served(600, 10_000, 0.05, 1), 1)).toBeGreaterThan(Math.log(100));
  expect(logServedShare(served(1000, 10_000, 0.05, 1.5), 1.5)).toBeGreaterThan(Math.log(1000));
  expect(logServedShare(served(200, 10_000, 0.05, 1.5), 1.5)).toBeGreaterThan(Math.log(1000));
  expect(logServedShare(served(0, 1000, 0.05, 1.5), 1.5)).toBeGreaterThan(Math.log(1000));
});

test('the tolerance is a factor on the odds: the null stands at the nearest tolerated share', () => {
  // Odds of 1/3 at 25 %, doubled 2/3: 40 %.
  const check = served(80, 100, 0.25, 2);
  const exact = served(80, 100, 0.25, 1);
  const moved = 80 * Math.log(0.4 / 0.25) + 20 * Math.log(0.6 / 0.75);

  expect(logServedShare(check, 2)).toBeCloseTo(logServedShare(exact, 1) - moved, 9);
  // Odds halved: 1/6, 14.3 %.
  const low = served(1, 100, 0.25, 2);
  const movedLow = Math.log(1 / 7 / 0.25) + 99 * Math.log(6 / 7 / 0.75);
  expect(logServedShare(low, 2)).toBeCloseTo(logServedShare(served(1, 100, 0.25, 1), 1) - movedLow, 9);
});

test('batches of one weight add up, a new weight starts new counts, and the evidence multiplies', () => {
  const first = observeServedShare(served(30, 500, 0.05, 1), { expected: 0.05, canary: 30, all: 500 }, 1);
  expect(first).toMatchObject({ canaryRequests: 60, requests: 1000, closedLogE: 0 });

  const second = observeServedShare(first, { expected: 0.25, canary: 300, all: 1000 }, 1);
  expect(second).toMatchObject({ expected: 0.25, canaryRequests: 300, requests: 1000 });
  expect(logServedShare(second, 1)).toBeCloseTo(logServedShare(first, 1) + logServedShare(served(300, 1000, 0.25, 1), 1), 9);
});

test('a weight of nothing or of everything compares nothing', () => {
  expect(served(5, 10, 0, 1)).toBe(noServedShare);
  expect(served(5, 10, 1, 1)).toBe(noServedShare);
});

test('few sticky users need a wide tolerance, many a narrow one', () => {
  expect(shareToleranceFor(400, 0.05)).toBeCloseTo(Math.exp(4 / Math.sqrt(19)), 12);
  expect(shareToleranceFor(1_000_000, 0.05)).toBeLessThan(1.02);
  expect(shareToleranceFor(1, 0.05)).toBeCloseTo(Math.exp(4), 12);
});
