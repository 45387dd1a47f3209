import { expect, test } from 'vitest';
import { conformalP, logPowerBet, observeResidual, openResidualMonitor } from './conformal.ts';
import { isAlarm } from './e-detector.ts';
import { logMeanE, noMeanEvidence, observeCusum, observeEwma, observeMean } from './mean-monitor.ts';
import { foresee, isTrained, nextSeason, observeForecast, openForecast } from './seasonal-forecast.ts';

test('the first cycle sets the level and the seasons, and the next point is foreseen from them', () => {
  const forecast = [10, 20, 30].reduce((state, value) => observeForecast(state, value), openForecast(3));

  expect(isTrained(openForecast(3))).toBe(false);
  expect(isTrained(forecast)).toBe(true);
  expect(forecast).toStrictEqual({ level: 20, trend: 0, seasonal: [-10, 0, 10], count: 3 });
  expect(nextSeason(forecast)).toBe(0);
  expect(foresee(forecast)).toBe(10);
});

test('Holt-Winters by hand: one point of 15 where 10 was foreseen', () => {
  const trained = [10, 20, 30].reduce((state, value) => observeForecast(state, value), openForecast(3));
  const next = observeForecast(trained, 15, { level: 0.5, trend: 0.2, season: 0.4 });

  // Level 20 + 0.5 · 5 = 22.5; trend 0.2 · 2.5 = 0.5; season -10 + 0.4 · (15 - 22.5 + 10) = -9.
  expect(next).toStrictEqual({ level: 22.5, trend: 0.5, seasonal: [-9, 0, 10], count: 4 });
  expect(foresee(next)).toBe(23);
});

test('a conformal p-value is the rank of the residual among those of its hour', () => {
  expect(conformalP([], 5)).toBe(1);
  expect(conformalP([1, 2, 3], 4)).toBe(0.25);
  expect(conformalP([1, 2, 3], 2)).toBe(0.75);
});

test('the bet on a p-value by hand, and its mean over uniform p is at most 1', () => {
  expect(logPowerBet(1)).toBeCloseTo(Math.log((0.1 + 0.3 + 0.5 + 0.7) / 4), 12);
  const byHand = [0.1, 0.3, 0.5, 0.7].reduce((sum, k) => sum + k * 0.01 ** (k - 1), 0) / 4;
  expect(logPowerBet(0.01)).toBeCloseTo(Math.log(byHand), 12);
  const grid = Array.from({ length: 1000 }, (_, i) => Math.exp(logPowerBet((i + 1) / 1000)));
  expect(grid.reduce((a, b) => a + b, 0) / 1000).toBeLessThanOrEqual(1);
});

test('while the first cycle is learnt nothing is judged', () => {
  const monitor = [1, 2].reduce(observeResidual, openResidualMonitor(2));

  expect(monitor).toMatchObject({ carried: 0, logM: null, residuals: [[], []] });
  expect(observeResidual(monitor, 1).logM).toBeCloseTo(Math.log(0.4), 12);
  expect(observeResidual(monitor, 3).residuals).toStrictEqual([[2], []]);
});

test('a year of weeks is remembered and no more, and days that went wrong are noticed', () => {
  const noise = (t: number) => ((t * 7919) % 13) / 13;
  let monitor = openResidualMonitor(4, 'cusum');
  for (let t = 0; t < 400; t += 1) monitor = observeResidual(monitor, 10 * (t % 4) + noise(t));
  expect(monitor.residuals.map((residuals) => residuals.length)).toStrictEqual([52, 52, 52, 52]);
  expect(isAlarm(monitor, 0.001)).toBe(false);

  for (let t = 400; t < 408; t += 1) monitor = observeResidual(monitor, 10 * (t % 4) + 50 * (t - 398));
  expect(isAlarm(monitor, 0.001)).toBe(true);
});

test('mSPRT by hand: two samples of 1 with variance 1 and a prior deviation of 1', () => {
  const evidence = [1, 1].reduce(observeMean, noMeanEvidence);

  // sqrt(1/3) exp(4 / (2 · 3)).
  expect(logMeanE(evidence, 1, 1)).toBeCloseTo(Math.log(Math.sqrt(1 / 3) * Math.exp(2 / 3)), 12);
  // sqrt(2/(2 + 2 · 9)) exp(9 · 4 / (2 · 2 · 20)).
  expect(logMeanE(evidence, 2, 3)).toBeCloseTo(Math.log(Math.sqrt(0.1) * Math.exp(0.45)), 12);
  expect(logMeanE(noMeanEvidence, 1, 1)).toBe(0);
});

test('CUSUM and EWMA by hand', () => {
  expect(observeCusum(1, 2, 0.5)).toBe(2.5);
  expect(observeCusum(0.2, -1, 0.5)).toBe(0);
  expect(observeEwma(10, 20, 0.25)).toBe(12.5);
});
