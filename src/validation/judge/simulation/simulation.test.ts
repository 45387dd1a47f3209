import { describe, expect, test } from 'vitest';
import type { Batch } from '../batch.ts';
import { isAboutPassing, judgesFor, play, titleOf } from './contestants.ts';
import { PoissonLaw, seededRandom } from './random.ts';
import { historyOf, rivalsFor } from './rivals.ts';
import { latencyQuantile, scenarios, type Scenario } from './scenarios.ts';
import { playAll } from './simulation.pool.ts';
import { mean, median, share, summarise } from './summary.ts';

const indexOf = (name: string): number => scenarios.findIndex((scenario) => scenario.name === name);

function named(name: string): Scenario {
  const scenario = scenarios[indexOf(name)];
  if (!scenario) throw new RangeError(`expected a scenario named ${name}, got none`);
  return scenario;
}

describe('random numbers', () => {
  test('a seed tells the whole sequence, and each part of it matters', () => {
    const draws = (...seeds: readonly number[]): readonly number[] => {
      const random = seededRandom(...seeds);
      return Array.from({ length: 5 }, random);
    };
    expect(draws(1, 2, 3)).toEqual(draws(1, 2, 3));
    for (const other of [
      [2, 2, 3],
      [1, 3, 3],
      [1, 2, 4],
      [1, 2],
      [2 ** 40 + 1, 2, 3],
    ])
      expect(draws(...other)).not.toEqual(draws(1, 2, 3));
  });

  test('are even: mean 1/2, variance 1/12, no memory', () => {
    const random = seededRandom(1);
    const values = Array.from({ length: 100_000 }, random);
    const average = values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length;
    const echo =
      values.slice(1).reduce((sum, value, index) => sum + (value - average) * ((values[index] ?? 0) - average), 0) / values.length / spread;
    expect(Math.abs(average - 0.5)).toBeLessThan(0.004);
    expect(Math.abs(spread - 1 / 12)).toBeLessThan(0.002);
    expect(Math.abs(echo)).toBeLessThan(0.013);
  });

  test.each([0, 0.05, 1, 9.95, 475])('a Poisson law of mean %d has that mean and variance', (lambda) => {
    const random = seededRandom(5, lambda);
    const law = new PoissonLaw(lambda);
    const draws = Array.from({ length: 40_000 }, () => law.draw(random));
    const average = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    const spread = draws.reduce((sum, draw) => sum + (draw - average) ** 2, 0) / draws.length;
    expect(Math.abs(average - lambda)).toBeLessThanOrEqual(5 * Math.sqrt(lambda / draws.length));
    expect(Math.abs(spread - lambda)).toBeLessThanOrEqual(0.06 * lambda + 0.001);
  });
});

describe('scenarios', () => {
  test('give the traffic, the share and the errors they say', () => {
    const totals = (name: string): Readonly<Record<string, number>> => {
      const batches = [...named(name).batches(seededRandom(3))];
      const sum = (pick: (batch: Batch) => number): number => batches.reduce((total, batch) => total + pick(batch), 0);
      const [canary, stable] = [sum(({ canary: arm }) => arm.requests), sum(({ stable: arm }) => arm.requests)];
      return {
        rps: (canary + stable) / 3600,
        share: canary / (canary + stable),
        canary: sum(({ canary: arm }) => arm.errors) / canary,
        stable: sum(({ stable: arm }) => arm.errors) / stable,
      };
    };
    expect(totals('4x')['rps']).toBeCloseTo(200, -1);
    expect(totals('4x')['share']).toBeCloseTo(0.05, 2);
    expect(totals('4x')['canary']).toBeCloseTo(0.02, 2);
    expect(totals('aa')['stable']).toBeCloseTo(0.005, 3);
    expect(totals('lowtraffic')['rps']).toBeCloseTo(10, 0);
    expect(totals('outage')['canary']).toBe(1);
    // Users, not their five requests, are counted.
    expect(totals('bursts')['rps']).toBeCloseTo(40, 0);
    expect(totals('bursts')['stable']).toBeCloseTo(0.005, 3);
    expect(totals('latency')['rps']).toBeCloseTo(200, -1);
  });

  test('latency has the median and the tail that limits are set from', () => {
    expect(latencyQuantile(0.5)).toBeCloseTo(100, 1);
    expect(latencyQuantile(0.95)).toBeCloseTo(100 * Math.exp(0.5 * 1.6448536), 0);
  });
});

describe('the rules of others', () => {
  const second = (index: number, canaryErrors: number): Batch => ({
    second: index,
    canary: { requests: 10, errors: canaryErrors },
    stable: { requests: 190, errors: 1 },
  });
  const rollbacks = (errors: (index: number) => number): Readonly<Record<string, number | null>> => {
    const batches = Array.from({ length: 3600 }, (_, index) => second(index, errors(index)));
    const history = historyOf(batches, 3600, []);
    return Object.fromEntries(rivalsFor(false).map((rival) => [rival.name, rival.rollbackAt(history)]));
  };

  test('a canary that never fails is left alone by all', () => {
    expect(Object.values(rollbacks(() => 0)).every((at) => at === null)).toBe(true);
  });

  test('one that always fails is noticed when their clocks allow', () => {
    expect(rollbacks(() => 10)).toEqual({
      'argo-1m-fl0': 30,
      'argo-1m-fl3': 120,
      'argo-5m-fl3': 120,
      'argo-5m-ratio': 120,
      'flagger-1m-5': 300,
      'kayenta-5m': 300,
      'kayenta-end': 3600,
    });
  });

  test('a burst within one minute is an alarm to a fixed limit and nothing to a rank test', () => {
    const burst = rollbacks((index) => (index >= 610 && index < 620 ? 10 : 0));
    expect(burst['argo-1m-fl0']).toBe(630);
    expect(burst['kayenta-5m']).toBeNull();
    expect(burst['flagger-1m-5']).toBeNull();
  });
});

describe('studies', () => {
  test('every judge that is named plays, on any number of cores alike', async () => {
    const judges = judgesFor(named('4x'), true);
    const study = { scenario: indexOf('4x'), judges, runs: 30 };
    const [one] = await playAll([study], { seed: 4, workers: 1 });
    const [two] = await playAll([study], { seed: 4, workers: 2 });

    expect(one).toEqual(two);
    expect(one).toEqual(play({ scenario: indexOf('4x'), judges, alpha: 0.01, seed: 4, from: 0, to: 30 }));
    expect(Object.values(one ?? {}).every((outcomes) => outcomes.length === 30)).toBe(true);
    for (const judge of judges) expect(titleOf(judge)).not.toBe('');
  });

  test('a failing worker ends the study with its fault', async () => {
    await expect(playAll([{ scenario: 999, judges: ['a1'], runs: 1 }], { seed: 1 })).rejects.toThrow('expected a scenario below');
  });

  test('a bad canary is noticed soon, a good one is not and passes', () => {
    const detected = play({ scenario: indexOf('4x'), judges: ['a4'], alpha: 0.01, seed: 1, from: 0, to: 60 });
    const summary = summarise(named('4x'), detected['a4'] ?? []);
    expect(summary.detected.value).toBe(1);
    expect(summary.delayMedian.value).toBeLessThan(70);
    const passed = play({ scenario: indexOf('pass-25'), judges: ['a4'], alpha: 0.01, seed: 1, from: 0, to: 60 });
    expect(summarise(named('pass-25'), passed['a4'] ?? []).passed.value).toBeGreaterThan(0.9);
    expect(isAboutPassing(named('pass-25'))).toBe(true);
  });
});

describe('summaries', () => {
  const outcome = (rollbackAt: number | null) => ({ rollbackAt, passAt: null, requests: 1000, errors: 20 });

  test("a share has Wilson's interval, also at none of many", () => {
    // z²/(n + z²) = 3.8415/2503.84.
    expect(share(0, 2500)).toMatchObject({ value: 0, low: 0, high: expect.closeTo(0.0015342, 6) });
    expect(share(5, 10)).toMatchObject({ value: 0.5, low: expect.closeTo(0.2366, 4), high: expect.closeTo(0.7634, 4) });
    expect(share(0, 0).value).toBeNull();
  });

  test('a median beyond the end of the runs is unknown, a mean counts the whole time', () => {
    expect(median([1, 2, 3, Infinity, Infinity]).value).toBe(3);
    expect(median([1, Infinity, Infinity]).value).toBeNull();
    expect(mean([1, 3]).value).toBe(2);
    const late = named('late');
    const summary = summarise(late, [outcome(1300), outcome(null), outcome(600)]);
    expect(summary.falseRollbacks.value).toBeCloseTo(1 / 3);
    expect(summary.detected.value).toBe(0.5);
    expect(summary.delayMean.value).toBe((100 + 2400) / 2);
    expect(summary.extraFailures).toBeCloseTo(15);
  });
});
