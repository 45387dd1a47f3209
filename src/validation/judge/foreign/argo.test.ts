import { describe, expect, test } from 'vitest';
import { evaluateCondition, treeOf } from './argo-condition.ts';
import { phaseOfMeasurement, type ArgoMetric, type Measurement } from './argo-metric.ts';
import { judgeArgo } from './argo.ts';

const values = (...list: readonly unknown[]): readonly Measurement[] => list.map((value) => ({ value }));
const error: Measurement = { error: 'connection refused' };

function judge(metric: Omit<ArgoMetric, 'name'>, measurements: readonly Measurement[]) {
  return judgeArgo({ metrics: [{ name: 'm', ...metric }], measurements: { m: measurements } });
}

describe('conditions', () => {
  test.each([
    ['result[0] >= 0.95', [0.95], true],
    ['result[-1] >= 0.95', [0.1, 0.96], true],
    ['result.ok && result.successPercent >= 0.90', { ok: true, successPercent: 0.9 }, true],
    ["result.major == '1'", { major: '1' }, true],
    ['len(result) == 0 || result[0] >= 0.95', [], true],
    ['all(result, # < 1000)', [1, 999], true],
    ['all(result.values, {asFloat(.value) >= 9})', { values: [{ value: '9.5' }, { value: 8 }] }, false],
    ['any(result, # > 3) and none(result, {# > 9})', [1, 4], true],
    ['count(result, # > 1) == 2', [1, 2, 3], true],
    ['default(result, 0) < 5', null, true],
    ['default(result, 0) < 5', 7, false],
    ['isNil(result)', null, true],
    ['isNaN(result) || result >= 0.95', Number.NaN, true],
    ['isInf(result)', Infinity, true],
    ['max(result) < 0.05', [0.01, 0.06], false],
    ['mean(result) == 2 and sum(result) == 6 and median(result) == 2', [1, 2, 3], true],
    ['2 in result', [2, 2], true],
    ['3 not in result', [2, 2], true],
    ['asInt(result) == 1', '1', true],
    ['result * 100 / 4 - 1 == 24', 1, true],
    ['-2 ** 2 == -4', 0, true],
    ['1 + 2 * 3 == 7 and not (1 == 2)', 0, true],
    ['result > 1 ? result < 3 : false', 2, true],
    ['result ?? 1 == 1', null, true],
    ['result?.a == nil', null, true],
    ['result contains "ok"', 'all ok', true],
    ['result[0] < 0.95', [Number.NaN], false],
    ['result["a-b"] == 1', { 'a-b': 1 }, true],
    ['result + "b" == "ab"', 'a', true],
    ['result < 1', 1, false],
    ['result <= 1 and result >= 1 and not (result > 1)', 1, true],
    ['result < "b" and result > "A"', 'a', true],
    ['result == [1, [2]]', [1, [2]], true],
    ['result == [1]', [1, 2], false],
    ['result == [1, 3]', [1, 2], false],
    ['result.a == result.b', { a: { x: 1 }, b: { x: 1 } }, true],
    ['result.a == result.b', { a: { x: 1 }, b: { x: 2 } }, false],
    ['result.a != result.b', { a: { x: 1 }, b: { y: 1 } }, true],
    ['"a" in result and not ("b" in result)', { a: 1 }, true],
    ['1 in result', null, false],
    ['one(result, # > 2)', [1, 2, 3], true],
    ['one(result, # > 1)', [1, 2, 3], false],
    ['not result and true', false, true],
    ['not (result == 1) == true', 2, true],
    ['-result + 3 == 1', 2, true],
    ['len(filter(result, # > 1)) == 2 and first(map(result, # * 2)) == 2 and last(result) == 3', [1, 2, 3], true],
    ['result startsWith "ab" and result endsWith "yz" and upper(trim(result)) == "ABXYZ"', 'abxyz', true],
    ['abs(result) == 2.5 and floor(result) == -3 and ceil(result) == -2 and round(result) == -3', -2.5, true],
    ['median(result) == 2.5', [4, 1, 3, 2], true],
    ['median(result) == 3', [5, 3, 1], true],
    [Array.from({ length: 150 }, () => '(1 == 1)').join(' and '), 0, true],
    [`${'('.repeat(90)}true${')'.repeat(90)}`, 0, true],
    ['result.missing == nil', {}, true],
  ])('%s on %j is %s', (condition, result, expected) => {
    expect(evaluateCondition(condition, result)).toBe(expected);
  });

  test.each([
    ['1', true, 'expected bool, but got float64'],
    ['invalidVariable', true, 'unknown name invalidVariable'],
    ['results[0] > 1', [2], 'unknown name results'],
    ['result[0] >= 0.95', [], 'index out of range'],
    ['result < 5', null, 'invalid operation: nil < float64'],
    ['result < 5', '3', 'invalid operation: string < float64'],
    ['asFloat(result) == "1.1"', '1.1', 'mismatched types float64 and string'],
    ['asInt(result) == 1.1', '1.1', 'invalid syntax'],
    ['asFloat(result) > 1', 'NotANum', 'invalid syntax'],
    ['result.Name() == "hi"', true, 'has no method Name'],
    ['result.a.b == 1', {}, 'cannot fetch b from nil'],
    ['result >', 1, 'unexpected the end'],
    ['(result > 1', 1, 'unexpected the end'],
    ['result @ 1', 1, 'unexpected character'],
    ['!result', 1, 'expected bool'],
    ['result contains "a"', 1, 'invalid operation: float64 contains string'],
    ['"a" contains result', 1, 'invalid operation: string contains float64'],
    ['result < "b"', 1, 'invalid operation: float64 < string'],
    ['1 in result', 'a', 'operator "in" not defined on string'],
    ['1 in result', { a: 1 }, 'operator "in" not defined on map'],
    ['all(result, # > 1)', null, 'builtin all takes only array (got nil)'],
    ['all(result, # > 1)', 'x', 'builtin all takes only array (got string)'],
    ['result[0] == 1', { a: 1 }, 'cannot fetch 0 from map'],
    ['result["a"] == 1', [1], 'cannot fetch a from list'],
    ['result - "b" == "a"', 'a', 'invalid operation: string - string'],
    ['result + "b" == "a"', 1, 'invalid operation: float64 + string'],
    ['default() == 1', 1, 'not enough arguments to call default'],
    ['max(result) == 1', [], 'not enough arguments to call max'],
    [`result == "${'x'.repeat(5000)}"`, 1, 'condition longer than 4096 characters'],
    ['result.constructor.constructor("x")() == 1', {}, 'has no method constructor'],
    [`${'('.repeat(200)}1${')'.repeat(200)} == 1`, 1, 'nested deeper'],
  ])('%s on %j is an error: %s', (condition, result, message) => {
    expect(() => evaluateCondition(condition, result)).toThrow(message);
  });

  test('the right side of "or" is not looked at when the left one decides', () => {
    expect(evaluateCondition('len(result) == 0 || result[0] > 1', [])).toBe(true);
    expect(evaluateCondition('len(result) > 0 && result[0] > 1', [])).toBe(false);
  });

  test('an inherited property is not part of a result', () => {
    expect(evaluateCondition('result.constructor == nil', {})).toBe(true);
  });

  test('what the expr language has and this has not is named instead of guessed', () => {
    expect(() => treeOf('now() > 1')).toThrow('"now" is not supported');
    expect(() => treeOf('result matches "a+"')).toThrow('"matches" is not supported');
    expect(() => treeOf('result[0:2] == [1]')).toThrow('a slice is not supported');
  });
});

describe('a measurement', () => {
  const phase = (metric: Partial<ArgoMetric>, value: unknown) => phaseOfMeasurement({ name: 'm', ...metric }, { value }).phase;

  test.each([
    [{}, 'Successful'],
    [{ successCondition: 'true', failureCondition: 'false' }, 'Successful'],
    [{ successCondition: 'true', failureCondition: 'true' }, 'Failed'],
    [{ successCondition: 'false', failureCondition: 'true' }, 'Failed'],
    [{ successCondition: 'false', failureCondition: 'false' }, 'Inconclusive'],
    [{ successCondition: 'false' }, 'Failed'],
    [{ successCondition: 'true' }, 'Successful'],
    [{ failureCondition: 'false' }, 'Successful'],
    [{ failureCondition: 'true' }, 'Failed'],
    [{ successCondition: 'a == true', failureCondition: 'true' }, 'Error'],
    [{ successCondition: 'true', failureCondition: 'a == true' }, 'Error'],
  ])('with %j is %s', (metric, expected) => {
    expect(phase(metric, true)).toBe(expected);
  });

  test('an empty result is an error and says so', () => {
    const metric = { name: 'm', successCondition: 'result[0] >= 0.95' };
    for (const value of [null, []]) {
      expect(phaseOfMeasurement(metric, { value })).toEqual({
        phase: 'Error',
        message:
          'could not evaluate successCondition "result[0] >= 0.95": metric result is nil or empty: no data returned from the metric provider',
      });
    }
  });

  test('NaN fails a success condition and does not fail a failure condition', () => {
    expect(phase({ successCondition: 'result[0] >= 0.95' }, [Number.NaN])).toBe('Failed');
    expect(phase({ failureCondition: 'result[0] < 0.95' }, [Number.NaN])).toBe('Successful');
  });
});

describe('a metric', () => {
  const good = { successCondition: 'result < 1', interval: 60 };

  test('fails when failures exceed the limit, not when they reach it', () => {
    expect(judge({ ...good, failureLimit: 1 }, values(2, 0, 2)).decidedAtSecond).toBe(120);
    expect(judge({ ...good, failureLimit: 1 }, values(2, 0, 0)).phase).toBe('Running');
    expect(judge(good, values(0, 2))).toMatchObject({ phase: 'Failed', action: 'abort', decidedAtSecond: 60 });
  });

  test('without count and interval one measurement decides', () => {
    expect(judge({ successCondition: 'result < 1' }, values(0, 2))).toMatchObject({ phase: 'Successful', decidedAtSecond: 0 });
  });

  test('with an interval alone runs until it is stopped, and then is successful', () => {
    const run = { metrics: [{ name: 'm', ...good }], measurements: { m: values(0, 0, 0) } };
    expect(judgeArgo(run).phase).toBe('Running');
    expect(judgeArgo({ ...run, terminateAt: 90 })).toMatchObject({ phase: 'Successful', decidedAtSecond: 90 });
  });

  test('a count that is reached is success', () => {
    const verdict = judge({ ...good, count: 3, failureLimit: 3 }, [error, ...values(2, 0, 0)]);
    expect(verdict).toMatchObject({ phase: 'Successful', message: '', decidedAtSecond: 130 });
    const tally = { count: 3, successful: 2, failed: 1, inconclusive: 0, error: 1, consecutiveError: 0, consecutiveSuccess: 2 };
    expect(verdict.metricResults[0]).toMatchObject({ ...tally, message: 'count (3) reached' });
  });

  test('inconclusive measurements pause', () => {
    const metric = { successCondition: 'result < 1', failureCondition: 'result > 2', interval: 60 };
    expect(judge(metric, values(0, 1.5))).toMatchObject({ phase: 'Inconclusive', action: 'pause' });
    expect(judge({ ...metric, inconclusiveLimit: 1 }, values(0, 1.5)).phase).toBe('Running');
  });

  test('the fifth error in a row is one too many, each is retried after ten seconds, a success in between resets', () => {
    expect(judge(good, [error, error, error, error, error])).toMatchObject({ phase: 'Error', action: 'abort', decidedAtSecond: 40 });
    expect(judge(good, [error, error, error, error, ...values(0), error, error, error, error]).phase).toBe('Running');
    expect(judge({ ...good, consecutiveErrorLimit: 0 }, [error]).message).toBe(
      'Metric "m" assessed Error due to consecutiveErrors (1) > consecutiveErrorLimit (0): "Error Message: connection refused"',
    );
  });

  test('errors do not count as measurements', () => {
    expect(judge({ ...good, count: 2 }, [error, ...values(0), error, ...values(0)])).toMatchObject({
      phase: 'Successful',
      decidedAtSecond: 80,
    });
  });

  test('enough successes in a row end it early', () => {
    const metric = { ...good, consecutiveSuccessLimit: 2, failureLimit: 5 };
    expect(judge(metric, values(2, 0, 2, 0, 0, 2))).toMatchObject({ phase: 'Successful', decidedAtSecond: 240 });
  });

  test('a count reached without them is inconclusive, and failed when the failure limit is off', () => {
    const metric = { ...good, count: 3, consecutiveSuccessLimit: 2 };
    expect(judge({ ...metric, failureLimit: 1 }, values(0, 2, 0)).phase).toBe('Inconclusive');
    expect(judge({ ...metric, failureLimit: -1 }, values(0, 2, 0)).phase).toBe('Failed');
  });

  test('a later rule overrides an earlier one: an error outranks a failure', () => {
    expect(judge({ ...good, failureLimit: 0, consecutiveErrorLimit: 0 }, values(2)).phase).toBe('Failed');
    const both = { name: 'm', ...good, consecutiveErrorLimit: 0, failureLimit: 1 };
    expect(judgeArgo({ metrics: [both], measurements: { m: [...values(2), error] } }).phase).toBe('Error');
  });

  test('waits for its initial delay', () => {
    expect(judge({ ...good, initialDelay: 300 }, values(2)).decidedAtSecond).toBe(300);
  });
});

describe('a run', () => {
  const a = { name: 'a', interval: 60, successCondition: 'result < 1' };
  const b = { name: 'b', interval: 60, successCondition: 'result < 1', failureLimit: 2 };

  test('one failed metric ends the others as successful', () => {
    const verdict = judgeArgo({ metrics: [a, b], measurements: { a: values(0, 2), b: values(2, 0, 0) } });
    expect(verdict).toMatchObject({ phase: 'Failed', decidedAtSecond: 60 });
    expect(verdict.metricResults.map(({ phase, count }) => [phase, count])).toEqual([
      ['Failed', 2],
      ['Successful', 2],
    ]);
    expect(verdict.message).toBe('Metric "a" assessed Failed due to failed (1) > failureLimit (0)');
  });

  test('a dry run metric decides nothing and stops nobody', () => {
    const run = { metrics: [a, { ...b, count: 2 }], measurements: { a: values(2), b: values(0, 0) } };
    expect(judgeArgo({ ...run, dryRun: ['a'] })).toMatchObject({ phase: 'Successful', decidedAtSecond: 60 });
    expect(judgeArgo({ ...run, dryRun: ['*'] }).phase).toBe('Successful');
    const failing = judgeArgo({ metrics: [a, { ...b, failureLimit: 0 }], measurements: { a: values(2), b: values(2) }, dryRun: ['a'] });
    expect(failing.message).toBe('Metric "b" assessed Failed due to failed (1) > failureLimit (0)');
  });

  test('the worst metric names the phase', () => {
    const inconclusive = { name: 'c', successCondition: 'result < 1', failureCondition: 'result > 2' };
    const failing = { name: 'd', successCondition: 'result < 1' };
    expect(judgeArgo({ metrics: [inconclusive, failing], measurements: { c: values(1.5), d: values(5) } }).phase).toBe('Failed');
  });

  test('a run without a single measurement runs, and is successful when stopped', () => {
    expect(judgeArgo({ metrics: [a], measurements: {} }).phase).toBe('Running');
    expect(judgeArgo({ metrics: [a], measurements: {}, terminateAt: 5 }).phase).toBe('Successful');
  });
});
