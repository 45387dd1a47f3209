import { describe, expect, test } from 'vitest';
import { resolveSettings, type Batch } from '../judge.ts';
import { chartSvg, escaped, type Chart } from './report-chart.ts';
import { CountTrace, Histogram, LatencyTrace } from './report-trace.ts';

const batch = (second: number): Batch => ({
  second,
  canary: { requests: 10, errors: second % 7 === 0 ? 1 : 0 },
  stable: { requests: 190, errors: second % 2 },
});

describe('the path of a run', () => {
  test.each([1, 399, 400, 401, 5000])('of %d seconds has few points and every count', (seconds) => {
    const trace = new CountTrace(resolveSettings());
    for (let second = 0; second < seconds; second += 1) trace.observe(batch(second));
    const { buckets, verdict } = trace;

    expect(buckets.length).toBeLessThanOrEqual(400);
    expect(buckets.reduce((sum, { canary }) => sum + canary.requests, 0)).toBe(seconds * 10);
    expect(buckets.reduce((sum, { canary }) => sum + canary.errors, 0)).toBe(verdict.errors.canary);
    expect(buckets.flatMap(({ from, to }) => [from, to])).toEqual(buckets.flatMap(({ from, to }) => [from, to]).toSorted((a, b) => a - b));
    expect([buckets[0]?.from, buckets.at(-1)?.to]).toEqual([0, seconds - 1]);
    expect(buckets.at(-1)?.logE).toBeCloseTo(verdict.logE, 10);
  });

  test('keeps the peak that rolled back, however much is merged', () => {
    const trace = new CountTrace(resolveSettings());
    const bad = (second: number): Batch => ({ ...batch(second), canary: { requests: 10, errors: second >= 500 && second < 520 ? 5 : 0 } });
    for (let second = 0; second < 5000; second += 1) trace.observe(bad(second));
    expect(trace.verdict.kind).toBe('rollback');
    expect(Math.max(...trace.buckets.map(({ logEPeak }) => logEPeak))).toBeGreaterThan(Math.log(100));
  });
});

describe('latency', () => {
  test('quantiles are within one percent, also of merged histograms', () => {
    const values = Array.from({ length: 1000 }, (_, index) => index + 1);
    const whole = new Histogram(values);
    const merged = new Histogram(values.slice(0, 300)).with(new Histogram(values.slice(300)));
    for (const p of [0.01, 0.5, 0.95, 1]) {
      expect(Math.abs((whole.quantile(p) ?? 0) / (p * 1000) - 1)).toBeLessThan(0.0101);
      expect(merged.quantile(p)).toBe(whole.quantile(p));
    }
    expect(new Histogram([]).quantile(0.5)).toBeNull();
    expect(new Histogram([0, 0]).quantile(0.5)).toBeLessThan(1e-5);
  });

  test('the batch that decided is told', () => {
    const trace = new LatencyTrace(0.01);
    const stable = Array.from({ length: 100 }, (_, index) => index);
    for (let index = 0; index < 50; index += 1) trace.observe({ canary: stable.map((ms) => ms + (index < 20 ? 0 : 500)), stable });
    expect(trace.rolledBackAt).toBe(trace.buckets.find(({ logEPeak }) => logEPeak >= Math.log(100))?.from);
    expect(trace.rolledBackAt).toBeGreaterThanOrEqual(20);
  });
});

describe('a chart', () => {
  const chart: Chart = {
    title: 'a < b & "c"',
    description: '',
    xLabel: 'second',
    scale: 'log',
    format: String,
    series: [
      {
        label: 'x',
        tone: 'harm',
        points: [
          { x: 0, y: 1 },
          { x: 1, y: null },
          { x: 2, y: 10 },
          { x: 3, y: 0 },
          { x: 4, y: 5 },
        ],
      },
    ],
    bars: [{ at: 100, label: 'bar', tone: 'harm' }],
    marks: [{ at: 2, label: 'mark', tone: 'harm' }],
  };

  test('breaks its line where nothing is known, and where a logarithm has no place', () => {
    const [, path = ''] = /class="line harm" d="([^"]*)"/.exec(chartSvg(chart)) ?? [];
    expect(path.match(/M/g)).toHaveLength(3);
    expect(path).not.toContain('NaN');
  });

  test('keeps its text as text', () => {
    expect(chartSvg(chart)).toContain('<title>a &lt; b &amp; &quot;c&quot;</title>');
    expect(escaped(`'`)).toBe('&#39;');
  });

  test('can be drawn from one point, from none and from equal ones', () => {
    for (const points of [
      [],
      [{ x: 5, y: 3 }],
      [{ x: 5, y: null }],
      [
        { x: 5, y: 0 },
        { x: 5, y: 0 },
      ],
    ]) {
      for (const scale of ['linear', 'log'] as const) {
        expect(chartSvg({ ...chart, scale, bars: [], marks: [], series: [{ label: 'x', tone: 'harm', points }] })).not.toMatch(
          /NaN|Infinity/,
        );
      }
    }
  });
});
