import { describe, expect, test } from 'vitest';
import { judgeArgoLine } from './argo-cases.ts';
import { judgeFlaggerLine } from './flagger-cases.ts';
import type { JsonLine } from './json-lines.ts';
import { judgeKayentaLine } from './kayenta-cases.ts';
import { LatencyJudge, latencyBatchOf } from './latency-batches.ts';

/** A line and the complaints about it, as `path: detail`. */
function line(value: unknown): JsonLine & { readonly complaints: readonly string[] } {
  const complaints: string[] = [];
  return { value, number: 1, complaints, complain: (path, detail) => complaints.push(`${path.join('/')}: ${detail}`) };
}

function complaintsOf(read: (json: JsonLine) => unknown, value: unknown): readonly string[] {
  const json = line(value);
  expect(read(json)).toBeUndefined();
  return json.complaints;
}

const eight = [1, 2, 3, 4, 5, 6, 7, 8];
const high = eight.map((value) => value + 100);

describe('Kayenta cases', () => {
  test('one metric a line gives classification, critical and reason', () => {
    expect(
      judgeKayentaLine(line({ control: eight, experiment: high, direction: 'increase', critical: true, params: { tolerance: 0.25 } })),
    ).toEqual({
      classification: 'High',
      critical: true,
      reason: 'The metric metric was classified as High (Critical)',
    });
    expect(judgeKayentaLine(line({ control: ['NaN', 'NaN'], experiment: high }))).toMatchObject({ classification: 'Nodata' });
  });

  test('the configuration may stand where a canary configuration has it', () => {
    const analysisConfigurations = {
      canary: { direction: 'decrease', nanStrategy: 'replace', outliers: { strategy: 'remove', outlierFactor: 3 } },
    };
    expect(judgeKayentaLine(line({ control: eight, experiment: high, analysisConfigurations }))).toMatchObject({ classification: 'Pass' });
  });

  test('a word Kayenta does not know is its default', () => {
    expect(judgeKayentaLine(line({ control: eight, experiment: high, direction: 'up', nanStrategy: 'drop' }))).toMatchObject({
      classification: 'High',
    });
  });

  test('a whole canary gives a score', () => {
    const metrics = [
      { name: 'errors', groups: ['errors'], control: eight, experiment: high },
      { name: 'latency', groups: ['latency'], control: eight, experiment: eight },
    ];
    const answer = judgeKayentaLine(
      line({ metrics, classifier: { groupWeights: { errors: 30 } }, scoreThresholds: { pass: 95, marginal: 50 } }),
    );
    expect(answer).toMatchObject({
      score: 70,
      classification: 'Marginal',
      results: [{ classification: 'High' }, { classification: 'Pass' }],
    });
  });

  test('all faults of a line are told', () => {
    const faulty = {
      control: [1, null, 'x'],
      direction: 3,
      critical: 'yes',
      params: { tolerance: -1, confidenceLevel: 1, effectSize: { allowedIncrease: '1' } },
    };
    expect(complaintsOf(judgeKayentaLine, faulty)).toEqual([
      'control/1: expected a number or "NaN", got null',
      'control/2: expected a number or "NaN", got "x"',
      'experiment: expected the points of the experiment, got nothing',
      'direction: expected a text, got 3',
      'critical: expected true or false, got "yes"',
      'params/tolerance: expected a number from 0, got -1',
      'params/confidenceLevel: expected a number between 0 and 1, got 1',
      'params/effectSize/allowedIncrease: expected a number, got "1"',
    ]);
    expect(complaintsOf(judgeKayentaLine, [])).toContain(': expected an object, got a list');
  });
});

describe('Argo cases', () => {
  const metric = { name: 'success-rate', interval: '1m', successCondition: 'result[0] >= 0.95', failureLimit: 1 };

  test('one metric with its measurements', () => {
    expect(judgeArgoLine(line({ metric, measurements: [[0.99], [0.9], [0.91]] }))).toMatchObject({ phase: 'Failed', decidedAtSecond: 120 });
  });

  test('an AnalysisRun resource, with the text values Argo prints', () => {
    const measurements = [
      { phase: 'Successful', value: '[0.99]', startedAt: '2026-01-01T00:00:00Z' },
      { phase: 'Error', message: 'dial tcp: refused' },
      { phase: 'Failed', value: '[NaN]' },
    ];
    const run = {
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'AnalysisRun',
      spec: { metrics: [metric] },
      status: { metricResults: [{ name: 'success-rate', measurements }] },
    };
    expect(judgeArgoLine(line(run))).toMatchObject({ phase: 'Running', metricResults: [{ successful: 1, failed: 1, error: 1 }] });
  });

  test('arguments are filled in, dry runs and termination are heeded', () => {
    const limited = { name: 'errors', interval: '30s', successCondition: 'default(result, 0) < {{ args.limit }}' };
    const run = {
      args: [{ name: 'limit', value: '5' }],
      metrics: [limited, metric],
      dryRun: [{ metricName: 'success-rate' }],
      terminate: true,
    };
    const answer = judgeArgoLine(line({ spec: run, measurements: { errors: [null, 3], 'success-rate': [[0.1], [0.1]] } }));
    expect(answer).toMatchObject({ phase: 'Successful', action: 'advance' });
  });

  test('a count may be written as text', () => {
    expect(judgeArgoLine(line({ metric: { ...metric, count: '2' }, measurements: [[1], [1]] }))).toMatchObject({ phase: 'Successful' });
  });

  test('what Argo refuses is refused, and a condition this judge cannot evaluate is named', () => {
    const faulty = {
      name: 'a',
      count: 2,
      failureLimit: 3,
      successCondition: 'now() > result',
      failureCondition: 'result > {{args.x}}',
      initialDelay: 'soon',
    };
    expect(complaintsOf(judgeArgoLine, { metrics: [faulty, { name: 'a' }], measurements: { b: [1] } })).toEqual([
      'metrics/0/initialDelay: expected a duration like "30s" or "1m30s", got "soon"',
      'metrics/0/successCondition: expected a condition this judge can evaluate: "now" is not supported',
      'metrics/0/failureCondition: expected every argument to have a value, got result > {{args.x}}',
      'metrics/0/failureCondition: expected a condition this judge can evaluate: a map literal is not supported',
      'metrics/0/count: expected at least failureLimit + consecutiveSuccessLimit (3), got 2',
      'metrics/0/interval: expected an interval with a count above 1, got nothing',
      'metrics: expected each name once, got a again',
      'measurements/b: expected the name of a metric, got b',
    ]);
    expect(complaintsOf(judgeArgoLine, {})).toEqual([
      'metrics: expected at least one metric, got none',
      'measurements: expected measurements or status.metricResults, got nothing',
    ]);
  });
});

describe('Flagger cases', () => {
  const analysis = {
    interval: '1m',
    threshold: 2,
    maxWeight: 50,
    stepWeight: 10,
    metrics: [
      { name: 'request-success-rate', thresholdRange: { min: 99 }, interval: '1m' },
      { name: 'request-duration', thresholdRange: { max: 500 }, interval: '30s' },
    ],
  };

  test('a Canary resource with its checks', () => {
    const checks = [
      { 'request-success-rate': 99.5, 'request-duration': 200 },
      { 'request-success-rate': 'NaN', 'request-duration': 200 },
      { values: { 'request-success-rate': 99.9, 'request-duration': 900 }, webhooks: { 'load-test': true } },
    ];
    expect(judgeFlaggerLine(line({ kind: 'Canary', spec: { analysis }, checks }))).toMatchObject({ phase: 'Failed', decidedAtSecond: 180 });
    expect(judgeFlaggerLine(line({ analysis, checks: checks.slice(0, 1) }))).toMatchObject({ phase: 'Progressing', weight: 20 });
  });

  test('all faults of a line are told', () => {
    const faulty = {
      analysis: { threshold: -1, stepWeights: [5, 101], metrics: [{ thresholdRange: { min: '9' } }] },
      checks: [{ x: 'many' }],
    };
    expect(complaintsOf(judgeFlaggerLine, faulty)).toEqual([
      'analysis/stepWeights: expected whole weights from 0 to 100',
      'analysis/metrics/0/name: expected the name of the metric, got nothing',
      'analysis/metrics/0/thresholdRange/min: expected a number, got "9"',
      'analysis/threshold: expected a whole number from 0, got -1',
      'checks/0/x: expected a number, null or "NaN", got "many"',
    ]);
    expect(complaintsOf(judgeFlaggerLine, {})).toEqual([
      'analysis: expected the analysis of a Canary resource, got nothing',
      'checks: expected the values of each check, got nothing',
    ]);
  });
});

describe('latency batches', () => {
  test('missing arms, missing points and negative times are refused', () => {
    expect(complaintsOf(latencyBatchOf, { canary: [1, 'NaN', -2, null] })).toEqual([
      'canary/1: expected milliseconds from 0, got "NaN"',
      'canary/2: expected milliseconds from 0, got -2',
      'canary/3: expected milliseconds from 0, got null',
      'stable: expected the latencies of stable, got nothing',
    ]);
  });

  test('nothing compared yet is inconclusive, and a rollback stays', () => {
    const judge = new LatencyJudge(0.01);
    const fast = Array.from({ length: 100 }, (_, index) => 100 + index);
    const slow = fast.map((value) => value + 300);

    expect(judge.observe({ canary: [], stable: fast })).toEqual({
      batch: 0,
      logE: 0,
      logERank: 0,
      logETail5: 0,
      logETail1: 0,
      verdict: 'inconclusive',
    });
    expect(judge.observe({ canary: fast, stable: fast }).verdict).toBe('continue');
    expect(judge.observe({ canary: slow, stable: fast }).verdict).toBe('rollback');
    for (let batch = 0; batch < 50; batch += 1) judge.observe({ canary: fast, stable: slow });
    expect(judge.observe({ canary: fast, stable: slow })).toMatchObject({ batch: 53, verdict: 'rollback' });
  });
});
