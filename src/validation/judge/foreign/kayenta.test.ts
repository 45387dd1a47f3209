import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commonLanguageEffect, shiftBetween, standardised } from './kayenta-rank-sum.ts';
import { scoreKayenta, type ScoredMetric } from './kayenta-score.ts';
import { transformed } from './kayenta-transform.ts';
import { classifyKayenta, type KayentaCase } from './kayenta.ts';
import { normalQuantile } from './normal-quantile.ts';
import { findZero } from './root.ts';

const sorted = (...values: readonly number[]) => Float64Array.from(values).sort();
const low = [1, 2, 3, 4, 5, 6, 7, 8];
const high = [101, 102, 103, 104, 105, 106, 107, 108];

describe('the rank-sum statistic', () => {
  test('without ties it is (U − mn/2 − ½)/√(mn(m+n+1)/12)', () => {
    // Ranks 3 + 4 = 7, U = 4, centred 2; (2 − 0.5)/√(4/12 · 5).
    expect(standardised(sorted(3, 4), sorted(1, 2), 0)).toBeCloseTo(1.5 / Math.sqrt(5 / 3), 14);
  });

  test('ties share their midrank and shrink the variance by Σ(t³ − t)', () => {
    // Ranks 1, 2.5 | 2.5, 4: rank sum 3.5, U = 0.5, centred −1.5, corrected −1; σ² = 4/12 · (5 − 6/12).
    expect(standardised(sorted(1, 2), sorted(2, 3), 0)).toBeCloseTo(-1 / Math.sqrt(1.5), 14);
  });

  test('a centred rank sum of 0 gets no continuity correction', () => {
    expect(standardised(sorted(1, 4), sorted(2, 3), 0)).toBeCloseTo(0, 14);
  });

  test('the estimate is the median of all differences, the interval holds it', () => {
    const shift = shiftBetween(high, low, 0.98);

    expect(shift.estimate).toBeCloseTo(100, 3);
    // σ² = 64/12 · 17, so U has to leave 32 by 2.326 · 9.52 + 0.5 = 22.65. 54 of the 64 differences lie above 96.
    expect(shift.low).toBeCloseTo(96, 3);
    expect(shift.high).toBeCloseTo(104, 3);
  });

  test('too few points to reject anything give the whole range of differences', () => {
    expect(shiftBetween([5, 6], [1, 2], 0.98)).toMatchObject({ low: 3, high: 5 });
  });

  test('the common language effect is the share of pairs in which the experiment is higher', () => {
    expect(commonLanguageEffect([2, 3], [1, 2])).toBe(3.5 / 4);
  });

  test('the normal quantile agrees with the table', () => {
    expect(normalQuantile(0.99)).toBeCloseTo(2.3263478740408408, 14);
    expect(normalQuantile(0.025)).toBeCloseTo(-1.9599639845400538, 14);
    expect(normalQuantile(0.3)).toBeCloseTo(-0.5244005127080407, 14);
    expect(normalQuantile(1e-10)).toBeCloseTo(-6.361340902404056, 12);
    expect(normalQuantile(1e-20)).toBeCloseTo(-9.262340089798405, 12);
    expect(() => normalQuantile(0)).toThrow(RangeError);
  });

  test('a zero is found where a smooth function and where a step function changes sign', () => {
    expect(findZero((x) => x * x * x - 8, 0, 10)).toBeCloseTo(2, 3);
    expect(findZero((x) => (x < 3.25 ? 1 : -1), 0, 10)).toBeCloseTo(3.25, 3);
    expect(findZero((x) => x, 0, 10)).toBe(0);
    expect(findZero((x) => x - 10, 0, 10)).toBe(10);
  });

  // Kayenta's verdict on shares near 0 hangs on where the search stops, so the way there is part of the semantics. Visited by
  // the zeroin of R and netlib, written down again in another language.
  test.each([
    [
      'a cubic',
      (x: number) => x ** 3 - 8,
      [0, 10],
      [0, 10, 0.08, 5.04, 0.389923134143, 2.71496156707, 1.31523304816, 2.01509730762, 1.99347149172, 1.99995085941, 2.00000085941],
    ],
    [
      'an exponential',
      (x: number) => Math.exp(-x) - 0.2 * x,
      [-3, 9],
      [-3, 9, 8.03944310077, 2.51972155038, 0.680104008614, 1.53860948381, 1.36630599101, 1.32633103477, 1.32672909874, 1.32667909874],
    ],
    [
      'a flat ninth power',
      (x: number) => (x - 1) ** 9,
      [-2, 5],
      [
        -2, 5, -1.51111497479, -1.38943438264, 1.80528280868, 1.80510362934, 0.207834623348, 0.948348648483, 0.948398648483, 1.37675113891,
        0.948448648483, 1.1625998937, 0.948498648483, 1.05554927109, 0.984472670838, 0.984522670838, 1.02003597096, 0.987690648517,
        0.988147096603, 1.00409153378, 1.00404153378, 0.996094315193, 0.999461323674, 0.999511323674, 1.00177642873, 0.999561323674,
        1.0006688762, 0.999611323674, 1.00014009994, 1.00009009994, 1.00004009994, 0.999990099938,
      ],
    ],
    [
      'steps',
      (x: number) => 4.5 - Math.floor(x * x),
      [0, 7],
      [
        0, 7, 0.642857142857, 3.82142857143, 1.66454081633, 2.74298469388, 2.2037627551, 2.29363307823, 2.24869791667, 2.22623033588,
        2.23746412628, 2.23184723108, 2.23465567868, 2.23605990248, 2.23676201438, 2.23641095843, 2.23623543045, 2.23614766646,
      ],
    ],
  ] as const)('the points visited on the way to the zero of %s are those of zeroin', (_, f, [from, to], expected) => {
    const visited: number[] = [];
    const zero = findZero(
      (x) => {
        visited.push(x);
        return f(x);
      },
      from,
      to,
    );
    expect(visited).toHaveLength(expected.length);
    for (const [index, x] of expected.entries()) expect(visited[index]).toBeCloseTo(x, 8);
    expect(zero).toBeCloseTo(expected.at(-1) ?? 0, 4);
  });
});

describe('classification', () => {
  const base: KayentaCase = { name: 'errors', control: low, experiment: high };

  test.each([
    ['either', 'High'],
    ['increase', 'High'],
    ['decrease', 'Pass'],
  ] as const)('a clear rise with direction %s is %s', (direction, classification) => {
    expect(classifyKayenta({ ...base, direction }).classification).toBe(classification);
  });

  test.each([
    ['either', 'Low'],
    ['increase', 'Pass'],
    ['decrease', 'Low'],
  ] as const)('a clear drop with direction %s is %s', (direction, classification) => {
    expect(classifyKayenta({ ...base, control: high, experiment: low, direction }).classification).toBe(classification);
  });

  test('the tolerance is a share of the shift, so only a wide interval fails it', () => {
    // Interval 96…104 around 100: the low end passes 0.95 of the shift and not 0.97.
    expect(classifyKayenta({ ...base, params: { tolerance: 0.95 } }).classification).toBe('High');
    expect(classifyKayenta({ ...base, params: { tolerance: 0.97 } }).classification).toBe('Pass');
  });

  test('an effect below the allowed one passes, at it the metric is High', () => {
    const effect = 104.5 / 4.5;
    const at = (allowedIncrease: number) => classifyKayenta({ ...base, params: { effectSize: { allowedIncrease } } }).classification;
    expect(at(effect - 1e-9)).toBe('High');
    expect(at(effect + 1e-9)).toBe('Pass');
  });

  test('mean ratios have neutral thresholds of one, so a rise in rank with a fall in mean passes', () => {
    // Seven of eight points are higher, one outweighs them: the mean falls to 0.7 of the control's.
    const control = [10, 11, 12, 13, 14, 15, 16, 400];
    const experiment = [40, 41, 42, 43, 44, 45, 46, 47];
    expect(classifyKayenta({ ...base, control, experiment }).classification).toBe('Pass');
    const shifted = low.map((value) => value + 8);
    expect(classifyKayenta({ ...base, control: high, experiment: high.map((value) => value + 8) }).classification).toBe('High');
    expect(classifyKayenta({ ...base, control: shifted, experiment: low }).classification).toBe('Low');
    const verdict = classifyKayenta({ ...base, control, experiment, params: { effectSize: { allowedIncrease: 0.5 } } });
    expect(verdict).toMatchObject({ classification: 'High', evidence: { effect: expect.closeTo(348 / 491, 12) } });
  });

  test('CLES has neutral thresholds of one half', () => {
    expect(classifyKayenta({ ...base, params: { effectSize: { measure: 'cles' } } })).toMatchObject({
      classification: 'High',
      evidence: { effect: 1 },
    });
    expect(classifyKayenta({ ...base, params: { effectSize: { measure: 'cles', allowedIncrease: 1.01 } } }).classification).toBe('Pass');
  });

  test('a critical metric fails critically only beyond the critical effect', () => {
    const at = (criticalIncrease?: number) =>
      classifyKayenta({ ...base, critical: true, params: { effectSize: criticalIncrease === undefined ? {} : { criticalIncrease } } });
    expect(at()).toEqual(expect.objectContaining({ critical: true, reason: 'The metric errors was classified as High (Critical)' }));
    expect(at(30)).toEqual(expect.objectContaining({ classification: 'High', critical: false, reason: 'errors was classified as High' }));
    expect(classifyKayenta(base).critical).toBe(false);
  });

  test('an effect of exactly the allowed and the critical size counts, on both sides', () => {
    const cles = (sizes: Readonly<Record<string, number>>) => ({
      critical: true,
      params: { effectSize: { measure: 'cles' as const, ...sizes } },
    });
    const up = cles({ allowedIncrease: 1, criticalIncrease: 1 });
    const down = { control: high, experiment: low, ...cles({ allowedDecrease: 0, criticalDecrease: 0 }) };
    expect(classifyKayenta({ ...base, ...up })).toMatchObject({ classification: 'High', critical: true });
    expect(classifyKayenta({ ...base, ...down })).toMatchObject({ classification: 'Low', critical: true });
    expect(classifyKayenta({ ...base, ...down, ...cles({ criticalDecrease: -0.1 }) })).toMatchObject({
      classification: 'Low',
      critical: false,
    });
    expect(classifyKayenta({ ...base, ...down, ...cles({ allowedDecrease: -0.1 }) }).classification).toBe('Pass');
  });

  test('a shift of zero at the median is no shift, however large a few points are', () => {
    const control = [1, 1, 1, 1, 1, 1, 1, 1];
    const verdict = classifyKayenta({ ...base, control, experiment: [1, 1, 1, 1, 1, 50, 60, 70] });
    expect(verdict).toMatchObject({ classification: 'Pass', evidence: { low: 0 } });
  });

  test('a mean of zero leaves the effect size out, allowed and critical alike', () => {
    const verdict = classifyKayenta({
      ...base,
      control: low.map(() => 0),
      critical: true,
      params: { effectSize: { allowedIncrease: 99, criticalIncrease: 99 } },
    });
    expect(verdict).toMatchObject({ classification: 'High', critical: true, evidence: { effect: null } });
  });

  test.each([
    [{}, 'Nodata', false],
    [{ critical: true }, 'Nodata', true],
    [{ mustHaveData: true }, 'NodataFailMetric', false],
    [{ mustHaveData: true, critical: true }, 'Nodata', true],
    [{ nanStrategy: 'replace' as const, critical: true, mustHaveData: true }, 'Pass', false],
  ])('an empty side with %j is %s, critical %s', (extra, classification, critical) => {
    expect(classifyKayenta({ ...base, experiment: [], ...extra })).toMatchObject({ classification, critical });
    expect(classifyKayenta({ ...base, control: [], ...extra })).toMatchObject({ classification, critical });
  });

  test('a side of missing points only is no data when they are removed and zeros when they are replaced', () => {
    const missing = { ...base, control: high, experiment: [Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN] };
    expect(classifyKayenta(missing).classification).toBe('Nodata');
    expect(classifyKayenta({ ...missing, nanStrategy: 'replace' }).classification).toBe('Low');
  });

  test('the same data in another order, and one value everywhere, pass', () => {
    expect(classifyKayenta({ ...base, experiment: low.toReversed() }).classification).toBe('Pass');
    expect(classifyKayenta({ ...base, control: [1, 1], experiment: [1, 1, 1] }).classification).toBe('Pass');
  });

  test('two constants that differ are told apart, the same way each time', () => {
    const constant = { ...base, control: [1, 1, 1, 1, 1], experiment: [2, 2, 2, 2, 2] };
    expect(classifyKayenta(constant).classification).toBe('High');
    expect(classifyKayenta(constant)).toEqual(classifyKayenta(constant));
  });

  test('one point on each side cannot be ranked: Error', () => {
    expect(classifyKayenta({ ...base, control: [3], experiment: [5] })).toMatchObject({
      classification: 'Error',
      reason: 'Metric Classification Failed',
    });
  });

  test('the order of points changes nothing, and swapping the sides swaps High and Low', () => {
    const points = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 25 });
    const params = { effectSize: { measure: 'cles' as const } };
    fc.assert(
      fc.property(points, points, (control, experiment) => {
        const verdict = classifyKayenta({ control, experiment, params });
        const shuffled = classifyKayenta({ control: control.toReversed(), experiment: experiment.toSorted((a, b) => a - b), params });
        expect([shuffled.classification, shuffled.evidence?.effect]).toEqual([verdict.classification, verdict.evidence?.effect]);
        // The zero finder is not symmetric within its tolerance of 1e-4, so a swap may also end in Pass, but never on the same side.
        const swapped = classifyKayenta({ control: experiment, experiment: control, params }).classification;
        expect([verdict.classification, swapped]).not.toEqual(['High', 'High']);
        expect([verdict.classification, swapped]).not.toEqual(['Low', 'Low']);
      }),
      { numRuns: 200 },
    );
  });
});

describe('transforms', () => {
  test('outliers go beyond three interquartile ranges, but never within the 1st and 99th percentile', () => {
    const rules = { nanStrategy: 'remove', outliers: 'remove', outlierFactor: 3 } as const;
    // Quartiles 2.25…4.75: fences −5.25 and 12.25; 99th percentile of six points 95.3.
    expect(transformed([1, 2, 3, 4, 5, 100], rules)).toEqual([1, 2, 3, 4, 5]);
    const twoHundred = [...Array.from({ length: 197 }, () => 1), 50, 50, 50];
    // Three of 200 reach the 99th percentile, so the fence is 50 and they stay.
    expect(transformed(twoHundred, rules)).toEqual(twoHundred);
    expect(transformed([], rules)).toEqual([]);
    // Beyond the percentiles and within the fences: 1…200 has fences far outside.
    const even = Array.from({ length: 200 }, (_, index) => index + 1);
    expect(transformed(even, rules)).toEqual(even);
    // Fences −5.25 and 12.25 again, now at the lower end.
    expect(transformed([5, 4, 3, 2, 1, -100], rules)).toEqual([5, 4, 3, 2, 1]);
  });

  test('by default outliers stay and missing points go', () => {
    expect(transformed([1, Number.NaN, 900], { nanStrategy: 'remove', outliers: 'keep', outlierFactor: 3 })).toEqual([1, 900]);
  });
});

describe('the score', () => {
  const metric = (name: string, group: string, classification: ScoredMetric['classification'], critical = false): ScoredMetric => ({
    name,
    groups: [group],
    classification,
    critical,
    reason: `${name} was classified as ${classification}`,
  });
  const rules = { groupWeights: {}, pass: 95, marginal: 75 };

  test('groups without a weight share what the weights leave', () => {
    const metrics = [
      metric('a', 'errors', 'Pass'),
      metric('b', 'errors', 'High'),
      metric('c', 'latency', 'Pass'),
      metric('d', 'system', 'Pass'),
    ];
    // 50 · 60 % + 100 · 20 % + 100 · 20 %.
    expect(scoreKayenta(metrics, { ...rules, groupWeights: { errors: 60 } })).toMatchObject({ score: 70, classification: 'Fail' });
    // (50 + 100 + 100) / 3, two decimals.
    expect(scoreKayenta(metrics, rules)).toMatchObject({ score: 83.33, classification: 'Marginal' });
  });

  test('a group without data counts as 100, required data that is missing counts as failed', () => {
    const metrics = [metric('a', 'x', 'Pass'), metric('b', 'x', 'NodataFailMetric'), metric('c', 'y', 'Nodata')];
    expect(scoreKayenta(metrics, rules)).toMatchObject({ score: 75, classification: 'Marginal' });
  });

  test('half of the metrics without data fail the canary', () => {
    expect(scoreKayenta([metric('a', 'x', 'Pass'), metric('b', 'x', 'Nodata')], rules)).toMatchObject({ score: 0, classification: 'Fail' });
  });

  test('one critical metric that does not pass fails the canary, a muted one is not heard', () => {
    const bad = metric('b', 'x', 'High', true);
    expect(scoreKayenta([metric('a', 'x', 'Pass'), bad], rules)).toMatchObject({
      score: 0,
      reason: 'Canary Failed: b was classified as High',
    });
    expect(scoreKayenta([metric('a', 'x', 'Pass'), { ...bad, muted: true }], rules)).toMatchObject({ score: 100, classification: 'Pass' });
  });
});
