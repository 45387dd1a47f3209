import { expect, test } from 'vitest';
import { splitOf, type Split } from '../batch.ts';
import { logSumExp } from '../log-space.ts';
import { binomial, hypergeometric } from './null-distribution.ts';
import { logDirichletMixture, logBetaMarginal } from './dirichlet-mixture.ts';
import { logErrorMixture, noErrorMixture, observeErrorMixture, worseRatios } from './error-mixture.ts';
import { carry, isAlarm, observeErrorDetector, openErrorDetector } from './e-detector.ts';
import { betterRatios, logNonInferiority, noNonInferiority, observeNonInferiority } from './non-inferiority.ts';
import { logTwoSided, noTwoSided, observeTwoSided } from './two-sided.ts';

function split(canary: readonly [number, number], stable: readonly [number, number]): Split {
  return splitOf({ requests: canary[0], errors: canary[1] }, { requests: stable[0], errors: stable[1] });
}

const even = split([50, 2], [50, 1]);

test('A1 by hand: two of three errors on a canary with half of the traffic', () => {
  // L_x = 2 ln x + 3 ln(1 / (x/2 + 1/2)): E_x = x² (2 / (1 + x))³.
  const byHand = worseRatios.reduce((sum, x) => sum + x ** 2 * (2 / (1 + x)) ** 3, 0) / 7;

  expect(logErrorMixture(observeErrorMixture(noErrorMixture, even, 1))).toBeCloseTo(Math.log(byHand), 12);
});

test('A1 with a tolerance of 2 by hand', () => {
  const byHand = worseRatios.reduce((sum, x) => sum + x ** 2 * ((2 + 1) / (2 * x + 1)) ** 3, 0) / 7;

  expect(logErrorMixture(observeErrorMixture(noErrorMixture, even, 2))).toBeCloseTo(Math.log(byHand), 12);
});

test('D1 by hand: the same errors are little evidence that the canary fails less than twice as often', () => {
  const byHand = betterRatios.reduce((sum, y) => sum + y ** 2 * ((2 + 1) / (2 * y + 1)) ** 3, 0) / 5;

  expect(logNonInferiority(observeNonInferiority(noNonInferiority, even, 2))).toBeCloseTo(Math.log(byHand), 12);
});

test('a batch without errors leaves every error rule as it was', () => {
  const quiet = split([50, 0], [50, 0]);
  const options = { toleratedRatio: 1, expectedShare: null };

  expect(observeErrorMixture(noErrorMixture, quiet, 1)).toBe(noErrorMixture);
  expect(observeNonInferiority(noNonInferiority, quiet, 2)).toBe(noNonInferiority);
  expect(observeTwoSided(noTwoSided, quiet, options)).toBe(noTwoSided);
  expect(observeTwoSided(noTwoSided, split([5, 1], [0, 0]), options)).toBe(noTwoSided);
  expect(observeTwoSided(noTwoSided, split([0, 0], [5, 1]), options)).toBe(noTwoSided);
});

test('A2 by hand: three heads of a fair coin with a prior of five and five', () => {
  // B(8, 5) / B(5, 5) * 2³ = (5·6·7)/(10·11·12) * 8.
  expect(logDirichletMixture([3, 0], [0.5, 0.5])).toBeCloseTo(Math.log(((5 * 6 * 7) / (10 * 11 * 12)) * 8), 12);
  expect(logBetaMarginal(3, 3, 0.5)).toBeCloseTo(Math.log((5 * 6 * 7) / (10 * 11 * 12)), 12);
  const observed = observeTwoSided(noTwoSided, split([50, 3], [50, 0]), { toleratedRatio: 1, expectedShare: null });
  expect(logTwoSided(observed)).toBeCloseTo(Math.log(((5 * 6 * 7) / (10 * 11 * 12)) * 8), 12);
  expect(observed.excess).toBe(1.5);
});

test('A2 with three cells by hand, and a cell that cannot be', () => {
  // Prior 5, 3, 2: x = (1, 0, 1) has probability 5·2/(10·11), under H0 1/2 · 1/5.
  expect(logDirichletMixture([1, 0, 1], [0.5, 0.3, 0.2])).toBeCloseTo(Math.log((5 * 2) / (10 * 11) / 0.1), 12);
  expect(logDirichletMixture([1, 1], [1, 0])).toBe(Infinity);
  expect(logDirichletMixture([1, 0], [1, 0])).toBeCloseTo(0, 12);
  expect(logDirichletMixture([1, 0, 0], [1])).toBeCloseTo(0, 12);
});

test('A2 starts a new factor at a new weight and keeps the old one', () => {
  const first = observeTwoSided(noTwoSided, split([50, 3], [50, 0]), { toleratedRatio: 1, expectedShare: 0.5 });
  const second = observeTwoSided(first, split([10, 2], [90, 1]), { toleratedRatio: 1, expectedShare: 0.1 });
  const alone = observeTwoSided(noTwoSided, split([10, 2], [90, 1]), { toleratedRatio: 1, expectedShare: 0.1 });

  expect(logTwoSided(second)).toBeCloseTo(logTwoSided(first) + logTwoSided(alone), 12);
  expect(second.closedLogE).toBeCloseTo(logTwoSided(first), 12);
  expect(second.excess).toBeCloseTo(1.5 + 1.7, 12);
  const grown = observeTwoSided(second, split([10, 1], [90, 0]), { toleratedRatio: 1, expectedShare: 0.1 });
  expect(grown).toMatchObject({ canaryErrors: 3, errors: 4, closedLogE: second.closedLogE });
});

test('A2 takes the set weight for its centre, and the served share where no weight, none or all was set', () => {
  const centreAt = (expectedShare: number | null) =>
    observeTwoSided(noTwoSided, split([20, 1], [80, 0]), { toleratedRatio: 1, expectedShare }).centre;

  expect(centreAt(0.1)).toBeCloseTo(0.1, 12);
  expect(centreAt(null)).toBeCloseTo(0.2, 12);
  expect(centreAt(0)).toBeCloseTo(0.2, 12);
  expect(centreAt(1)).toBeCloseTo(0.2, 12);
  expect(observeTwoSided(noTwoSided, split([50, 1], [50, 0]), { toleratedRatio: 3, expectedShare: null }).centre).toBeCloseTo(0.75, 12);
});

test('every rule is a martingale under its own hypothesis: the mean of E over what one batch may bring is 1', () => {
  const law = binomial(6, 0.3);
  const mean = (logE: (canaryErrors: number) => number) => law.reduce((sum, p, c) => sum + p * Math.exp(logE(c)), 0);
  const at = (c: number) => ({ share: 0.3, canaryErrors: c, errors: 6 });

  expect(mean((c) => logErrorMixture(observeErrorMixture(noErrorMixture, at(c), 1)))).toBeCloseTo(1, 10);
  expect(mean((c) => logTwoSided(observeTwoSided(noTwoSided, at(c), { toleratedRatio: 1, expectedShare: null })))).toBeCloseTo(1, 10);
  const share = (0.3 * 2) / (0.3 * 2 + 0.7);
  const doubled = binomial(6, share).reduce(
    (sum, p, c) => sum + p * Math.exp(logNonInferiority(observeNonInferiority(noNonInferiority, at(c), 2))),
    0,
  );
  expect(doubled).toBeCloseTo(1, 10);
});

test('splitting a batch by time keeps the mean at 1: E multiplies over the parts', () => {
  const whole: number[] = [];
  for (const [c1, p1] of binomial(3, 0.3).entries()) {
    for (const [c2, p2] of binomial(3, 0.2).entries()) {
      const first = observeErrorMixture(noErrorMixture, { share: 0.3, canaryErrors: c1, errors: 3 }, 1);
      const second = observeErrorMixture(first, { share: 0.2, canaryErrors: c2, errors: 3 }, 1);
      whole.push(Math.log(p1 * p2) + logErrorMixture(second));
    }
  }

  expect(logSumExp(whole)).toBeCloseTo(0, 10);
});

test('random assignment alone is enough: under the hypergeometric law the mean of E of A1 is at most 1', () => {
  const law = hypergeometric(6, 10, 40);
  const mean = law.reduce(
    (sum, p, c) => sum + p * Math.exp(logErrorMixture(observeErrorMixture(noErrorMixture, { share: 0.2, canaryErrors: c, errors: 6 }, 1))),
    0,
  );

  expect(mean).toBeLessThan(1);
  expect(mean).toBeGreaterThan(0.5);
});

test('the laws of the canary’s errors by hand', () => {
  const round = (law: readonly number[]) => law.map((p) => Number(p.toFixed(12)));

  expect(round(binomial(2, 0.25))).toStrictEqual([0.5625, 0.375, 0.0625]);
  // Two errors among 1 canary and 3 control requests: 3 of the 6 pairs hold the canary's.
  expect(round(hypergeometric(2, 1, 3))).toStrictEqual([0.5, 0.5, 0]);
  expect(round(hypergeometric(2, 3, 1))).toStrictEqual([0, 0.5, 0.5]);
  expect(round(hypergeometric(2, 2, 0))).toStrictEqual([0, 0, 1]);
});

test('detectors by hand: Shiryaev-Roberts adds 1 before each batch, CUSUM forgets what is below 1', () => {
  expect(carry(Math.log(3), 'shiryaev-roberts')).toBeCloseTo(Math.log(4), 12);
  expect(carry(Math.log(3), 'cusum')).toBeCloseTo(Math.log(3), 12);
  expect(carry(-5, 'cusum')).toBe(0);
  const one = split([50, 1], [50, 0]);
  const eX = (x: number) => (2 * x) / (1 + x);
  const mean = (of: (x: number) => number) => Math.log(worseRatios.reduce((sum, x) => sum + of(x), 0) / 7);
  const twice = (detector: 'cusum' | 'shiryaev-roberts') =>
    [one, one].reduce((state, s) => observeErrorDetector(state, s, 1), openErrorDetector(detector));
  expect(twice('shiryaev-roberts').logM).toBeCloseTo(
    mean((x) => (eX(x) + 1) * eX(x)),
    12,
  );
  expect(twice('cusum').logM).toBeCloseTo(
    mean((x) => eX(x) * eX(x)),
    12,
  );
});

test('a detector alarms when M reaches 1/alpha, and never before the first batch', () => {
  expect(isAlarm(openErrorDetector('cusum'), 0.01)).toBe(false);
  expect(isAlarm({ logM: Math.log(100) + 1e-9 }, 0.01)).toBe(true);
  expect(isAlarm({ logM: Math.log(99) }, 0.01)).toBe(false);
  expect(isAlarm({ logM: -Math.log(0.01) }, 0.01)).toBe(true);
});

test('a detector that watches without end finds a harm that starts after a million healthy batches', () => {
  const healthy = { ...openErrorDetector('cusum'), carried: worseRatios.map(() => 0) };
  let state = observeErrorDetector(healthy, { share: 0.05, canaryErrors: 0, errors: 1_000_000 }, 1);
  for (let t = 0; t < 12; t += 1) state = observeErrorDetector(state, { share: 0.05, canaryErrors: 1, errors: 2 }, 1);

  expect(isAlarm(state, 0.01)).toBe(true);
});
