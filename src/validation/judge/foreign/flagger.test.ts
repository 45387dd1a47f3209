import { describe, expect, test } from 'vitest';
import { judgeFlagger, type FlaggerAnalysis, type FlaggerMetric } from './flagger.ts';

const rate: FlaggerMetric = { name: 'request-success-rate', thresholdRange: { min: 99 } };
const canary: FlaggerAnalysis = { interval: 60, threshold: 2, maxWeight: 30, stepWeight: 10, metrics: [rate] };
const rates = (...values: readonly (number | null)[]) => values.map((value) => ({ values: { 'request-success-rate': value } }));

function faultFor(metric: FlaggerMetric, value: number | null | undefined): string | undefined {
  return judgeFlagger({ ...canary, metrics: [metric] }, [{ values: { [metric.name]: value } }]).checks[0]?.reason;
}

describe('a canary', () => {
  test('steps its weight on each passing check and promotes on the one at the maximum', () => {
    const verdict = judgeFlagger(canary, rates(99, 100, 99.5, 99.9));
    expect(verdict).toMatchObject({ phase: 'Promoting', decidedAtSecond: 180 });
    expect(verdict.checks.map(({ weight }) => weight)).toEqual([20, 30, 30]);
  });

  test('failed checks add up and are never forgiven', () => {
    const verdict = judgeFlagger(canary, rates(98, 99, 98));
    expect(verdict).toMatchObject({ phase: 'Failed', failedChecks: 2, weight: 0, decidedAtSecond: 180 });
  });

  test('a failed check holds the weight', () => {
    expect(judgeFlagger(canary, rates(98)).checks[0]).toMatchObject({ ok: false, weight: 10, failedChecks: 1 });
    expect(judgeFlagger(canary, rates(98)).phase).toBe('Progressing');
  });

  test('no value is a failed check', () => {
    for (const value of [null, Number.NaN]) expect(judgeFlagger(canary, rates(value, value))).toMatchObject({ phase: 'Failed' });
    expect(judgeFlagger(canary, [{ values: {} }]).checks[0]?.reason).toBe('no values found for metric request-success-rate');
  });

  test('without a threshold one failed check is enough, without an interval a check takes a minute, and never less than ten seconds', () => {
    expect(judgeFlagger({ metrics: [rate] }, rates(98))).toMatchObject({ phase: 'Failed', decidedAtSecond: 60 });
    expect(judgeFlagger({ metrics: [rate], interval: 1 }, rates(98)).decidedAtSecond).toBe(10);
  });

  test('steps of one percent are steps too, and a step outranks a list of weights', () => {
    expect(judgeFlagger({ ...canary, stepWeight: 1, stepWeights: [1, 50] }, rates(100, 100)).checks.map(({ weight }) => weight)).toEqual([
      2, 3,
    ]);
  });

  test('walks the listed weights, the last of which is the maximum', () => {
    const verdict = judgeFlagger({ ...canary, stepWeight: 0, stepWeights: [1, 5, 20] }, rates(100, 100, 100));
    expect(verdict.checks.map(({ weight }) => weight)).toEqual([5, 20, 20]);
    expect(verdict.phase).toBe('Promoting');
  });

  test('a list that ends with everything promotes from there', () => {
    const verdict = judgeFlagger({ ...canary, stepWeight: 0, stepWeights: [50, 100] }, rates(100, 100));
    expect([verdict.checks.map(({ weight }) => weight), verdict.phase]).toEqual([[100, 100], 'Promoting']);
    expect(judgeFlagger({ ...canary, stepWeight: 0, maxWeight: 0 }, rates(100, 100)).phase).toBe('Progressing');
  });

  test('mirrors for one step before it sends anyone to the canary', () => {
    expect(judgeFlagger({ ...canary, mirror: true }, rates(100, 100)).checks.map(({ weight }) => weight)).toEqual([10, 20]);
  });

  test('counts iterations instead of weights when told to', () => {
    const verdict = judgeFlagger({ ...canary, iterations: 3 }, rates(100, 100, 100));
    expect(verdict.checks.map(({ iterations }) => iterations)).toEqual([2, 3, 3]);
    expect(verdict).toMatchObject({ phase: 'Promoting', decidedAtSecond: 180 });
  });

  test('a failed rollout hook is a failed check, whatever the metrics say', () => {
    const verdict = judgeFlagger(canary, [{ values: { 'request-success-rate': 100 }, webhooks: { 'load-test': false } }]);
    expect(verdict.checks[0]?.reason).toBe('external check load-test failed');
  });
});

describe('limits', () => {
  test.each([
    [{ name: 'request-success-rate', thresholdRange: { min: 99 } }, 99, undefined],
    [{ name: 'request-success-rate', thresholdRange: { min: 99 } }, 98.99, 'request-success-rate 98.99 < 99'],
    [{ name: 'request-success-rate', thresholdRange: { max: 99 } }, 99.5, 'request-success-rate 99.5 > 99'],
    [{ name: 'request-success-rate', threshold: 99 }, 98, 'request-success-rate 98 < 99'],
    [{ name: 'request-duration', threshold: 500 }, 501, 'request-duration 501 > 500'],
    [{ name: 'request-duration', threshold: 500 }, 500.9, undefined],
    [{ name: 'request-duration', thresholdRange: { max: 500.9 } }, 501, 'request-duration 501 > 500'],
    [{ name: 'errors', templateRef: { name: 'errors' }, threshold: 5 }, 6, 'errors 6 > 5'],
    [{ name: 'errors', templateRef: { name: 'errors' }, thresholdRange: { min: 1, max: 5 } }, 0, 'errors 0 < 1'],
    [{ name: 'errors', query: 'sum(x)' }, 0.1, 'errors 0.1 > 0'],
    [{ name: 'errors', thresholdRange: { max: 5 } }, 1, 'no usable metrics template and query were configured for errors'],
  ] as const)('%j at %s: %s', (metric, value, fault) => {
    expect(faultFor(metric, value)).toBe(fault);
  });

  test('built-in metrics are checked before templates, and the first violation is the reason', () => {
    const metrics = [{ name: 'errors', templateRef: { name: 'errors' }, threshold: 5 }, rate];
    const [check] = judgeFlagger({ ...canary, metrics }, [{ values: { errors: 9, 'request-success-rate': 50 } }]).checks;
    expect(check?.reason).toBe('request-success-rate 50 < 99');
  });
});
