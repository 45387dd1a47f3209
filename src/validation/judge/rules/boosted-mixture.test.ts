import { expect, test } from 'vitest';
import { logSumExp } from '../log-space.ts';
import {
  boostFactor,
  boostedRestartShare,
  logBoostedMixture,
  noBoostedMixture,
  observeBoostedMixture,
  type BoostPlan,
} from './boosted-mixture.ts';
import { binomial, hypergeometric } from './null-distribution.ts';

const plan: BoostPlan = {
  restart: { everySeconds: 60, share: boostedRestartShare, horizonSeconds: 3600 },
  toleratedRatio: 1,
  bar: Math.log(100),
};

function arms(canary: readonly [number, number], control: readonly [number, number]) {
  return { canary: { requests: canary[0], errors: canary[1] }, control: { requests: control[0], errors: control[1] } };
}

/** Fed with one canary error a second until the next could reach the bar. */
function nearTheBar() {
  let state = noBoostedMixture;
  for (let t = 0; logBoostedMixture(state, plan) < plan.bar - 1.2; t += 1)
    state = observeBoostedMixture(state, arms([10, 1], [190, 1]), t, plan);
  return state;
}

test('E is 1 without data, and a batch without errors or with one silent arm changes nothing', () => {
  expect(logBoostedMixture(noBoostedMixture, plan)).toBeCloseTo(0, 12);
  expect(observeBoostedMixture(noBoostedMixture, arms([10, 0], [190, 0]), 0, plan)).toBe(noBoostedMixture);
  expect(observeBoostedMixture(noBoostedMixture, arms([10, 1], [0, 0]), 0, plan)).toBe(noBoostedMixture);
  expect(observeBoostedMixture(noBoostedMixture, arms([0, 0], [190, 1]), 0, plan)).toBe(noBoostedMixture);
});

test('the boost by hand', () => {
  // now 1/2; outcomes 1/4 and 3/4·… : with b the upper reaches the bar: 0.5 · min(2b, 1) + 0.5 · 0.25 b = 0.5 → b = 0 … none below.
  expect(boostFactor([0.5, 0.5], [0.25, 0.75], 0.5)).toBe(1);
  // Upper outcome 2 of a bar of 1 wastes half: 0.75 · b/6 + 0.25 · 1 = 0.625 → b = 3.
  expect(boostFactor([0.75, 0.25], [1 / 6, 2], 0.625)).toBeCloseTo(3, 12);
  // Both reach it: nothing left to pay out to.
  expect(boostFactor([0.5, 0.5], [2, 3], 0.9)).toBe(1);
  // Never below 1, even for a law under which E has slack left over.
  expect(boostFactor([1, 0], [0.5, 0.9], 0.1)).toBe(1);
});

test('far from the bar nothing is boosted', () => {
  const state = observeBoostedMixture(noBoostedMixture, arms([10, 1], [190, 1]), 0, plan);

  expect(state.logBoost).toBe(0);
});

test('near the bar the boosted E, stopped at the bar, is a supermartingale under both laws, and nearly a martingale under one', () => {
  const state = nearTheBar();
  const now = logBoostedMixture(state, plan);
  const after = (c: number) => logBoostedMixture(observeBoostedMixture(state, arms([10, c], [190, 3 - c]), 30, plan), plan);
  const mean = (law: readonly number[]) => logSumExp(law.map((p, c) => Math.log(p) + after(c)));

  expect(observeBoostedMixture(state, arms([10, 0], [190, 3]), 30, plan).logBoost).toBeGreaterThan(0.01);
  expect(mean(binomial(3, 0.05))).toBeLessThanOrEqual(now + 1e-9);
  expect(mean(hypergeometric(3, 10, 190))).toBeLessThanOrEqual(now + 1e-9);
  expect(mean(binomial(3, 0.05))).toBeGreaterThan(now - 0.01);
});

test('with a tolerance the mean under the tolerated ratio itself stays where it is', () => {
  const tolerant = { ...plan, toleratedRatio: 1.5 };
  const state = { ...nearTheBar(), logBoost: 0.7 };
  const now = logBoostedMixture(state, tolerant);
  const share = (0.05 * 1.5) / (0.05 * 1.5 + 0.95);
  const after = (c: number) => logBoostedMixture(observeBoostedMixture(state, arms([10, c], [190, 3 - c]), 30, tolerant), tolerant);

  expect(logSumExp(binomial(3, share).map((p, c) => Math.log(p) + after(c)))).toBeCloseTo(now, 9);
});

test('once the bar is reached E stays there, whatever comes', () => {
  const state = observeBoostedMixture(nearTheBar(), arms([10, 5], [190, 0]), 40, plan);

  expect(state.stopped).toBe(true);
  expect(logBoostedMixture(state, plan)).toBe(plan.bar);
  expect(observeBoostedMixture(state, arms([10, 0], [190, 50]), 41, plan)).toBe(state);
});

test('a batch of very many errors is judged without boost', () => {
  expect(observeBoostedMixture(nearTheBar(), arms([100, 0], [1900, 64]), 40, plan).logBoost).toBeGreaterThan(nearTheBar().logBoost);
  expect(observeBoostedMixture(nearTheBar(), arms([100, 0], [1900, 65]), 40, plan).logBoost).toBe(nearTheBar().logBoost);
});

test('a fifth of the capital restarts each minute', () => {
  const state = observeBoostedMixture(noBoostedMixture, arms([10, 1], [190, 1]), 120, plan);

  expect(state.restarts.begun).toBe(2);
});
