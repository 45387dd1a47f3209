import type { Batch, Comparison } from '../batch.ts';
import { judgeArgo } from '../foreign/argo.ts';
import { judgeFlagger } from '../foreign/flagger.ts';
import { classifyKayenta } from '../foreign/kayenta.ts';
import { latencyQuantile } from './scenarios.ts';

/**
 * The rules of other systems with settings their documentation suggests, on the streams our judge sees. They are our reading
 * of the rules (foreign/), not their programs, and every benefit of the doubt is theirs: scraping costs no time, and Flagger's
 * rollback counts from the check that decides it, not from the tick after.
 */
export interface Rival {
  readonly name: string;
  readonly title: string;
  /** Seconds seen when it rolls back; null when it does not. */
  readonly rollbackAt: (history: History) => number | null;
}

/** What a metric store has of one run. */
export interface History {
  readonly seconds: number;
  /** The errors first, then further metrics. */
  readonly series: readonly CountSeries[];
  readonly latency: LatencySeries | null;
}

interface Window {
  readonly canary: { readonly requests: number; readonly errors: number };
  readonly stable: { readonly requests: number; readonly errors: number };
}

const MINUTE = 60;
const ARGO_INTERVAL = 30;
const KAYENTA_INTERVAL = 300;
/** Twice the errors of a healthy version, as a person would set a fixed limit. */
const ERROR_LIMIT = 0.01;
const NO_DATA = Number.NaN;

/** Running totals, so that any window is one subtraction. */
class CountSeries {
  readonly #totals: Float64Array;

  constructor(seconds: number, pairs: Iterable<readonly [second: number, pair: Comparison]>) {
    this.#totals = new Float64Array((seconds + 1) * 4);
    for (const [second, { canary, stable }] of pairs) {
      for (const [field, count] of [canary.requests, canary.errors, stable.requests, stable.errors].entries()) {
        this.#totals[(second + 1) * 4 + field] = count;
      }
    }
    for (let index = 4; index < this.#totals.length; index += 1) this.#totals[index] = this.#at(index) + this.#at(index - 4);
  }

  /** The seconds from `from` up to, not including, `to`. */
  between(from: number, to: number): Window {
    const sum = (field: number): number => this.#at(to * 4 + field) - this.#at(Math.max(from, 0) * 4 + field);
    return { canary: { requests: sum(0), errors: sum(1) }, stable: { requests: sum(2), errors: sum(3) } };
  }

  #at(index: number): number {
    return this.#totals[index] ?? 0;
  }
}

class LatencySeries {
  readonly #batches: readonly Batch[];

  constructor(batches: readonly Batch[]) {
    this.#batches = batches;
  }

  between(arm: 'canary' | 'stable', from: number, to: number): readonly number[] {
    return this.#batches.flatMap(({ second, latency }) => (latency && second >= from && second < to ? latency[arm] : []));
  }
}

export function historyOf(batches: readonly Batch[], seconds: number, metrics: readonly string[]): History {
  const errors = new CountSeries(
    seconds,
    batches.map((batch) => [batch.second, batch]),
  );
  const further = metrics.map(
    (name) =>
      new CountSeries(
        seconds,
        batches.flatMap(({ second, metrics: pairs }) => (pairs?.[name] ? [[second, pairs[name]] as const] : [])),
      ),
  );
  const latency = batches.some((batch) => batch.latency) ? new LatencySeries(batches) : null;
  return { seconds, series: [errors, ...further], latency };
}

function argo(
  name: string,
  title: string,
  rule: { readonly window: number; readonly relative: boolean; readonly failureLimit: number },
): Rival {
  const failureCondition = rule.relative ? 'result[0] > 2' : `result[0] > ${ERROR_LIMIT}`;
  const value = (series: CountSeries, end: number): number => {
    const { canary, stable } = series.between(end - rule.window, end);
    const rate = canary.requests === 0 ? NO_DATA : canary.errors / canary.requests;
    return rule.relative ? rate / (stable.errors / stable.requests) : rate;
  };
  return {
    name,
    title,
    rollbackAt: ({ series, seconds }) => {
      const ends = ticks(ARGO_INTERVAL, seconds);
      const metrics = series.map((_, index) => ({
        name: `metric-${index}`,
        interval: ARGO_INTERVAL,
        initialDelay: ARGO_INTERVAL,
        failureCondition,
        failureLimit: rule.failureLimit,
      }));
      const measurements = Object.fromEntries(
        series.map((one, index) => [`metric-${index}`, ends.map((end) => ({ value: [value(one, end)] }))]),
      );
      const { action, decidedAtSecond } = judgeArgo({ metrics, measurements });
      return action === 'abort' ? decidedAtSecond : null;
    },
  };
}

const flagger: Rival = {
  name: 'flagger-1m-5',
  title: 'Flagger, 1 m success < 99 %, threshold 5',
  rollbackAt: ({ series, seconds }) => {
    const metrics = series.map((_, index) =>
      index === 0
        ? { name: 'request-success-rate', thresholdRange: { min: 100 * (1 - ERROR_LIMIT) } }
        : { name: `metric-${index}`, templateRef: { name: 'errors' }, thresholdRange: { max: 100 * ERROR_LIMIT } },
    );
    const checks = ticks(MINUTE, seconds).map((end) => {
      const rates = series.map((one) => {
        const { canary } = one.between(end - MINUTE, end);
        return canary.requests === 0 ? null : (100 * canary.errors) / canary.requests;
      });
      const values = rates.map((rate, index) => [metrics[index]?.name ?? '', rate === null || index > 0 ? rate : 100 - rate] as const);
      return { values: Object.fromEntries(values) };
    });
    const { phase, decidedAtSecond } = judgeFlagger({ interval: MINUTE, threshold: 5, metrics }, checks);
    return phase === 'Failed' ? decidedAtSecond : null;
  },
};

function kayenta(name: string, title: string, every: (seconds: number) => number): Rival {
  const rate = ({ requests, errors }: Window['canary']): number => (requests === 0 ? NO_DATA : errors / requests);
  return {
    name,
    title,
    rollbackAt: ({ series, seconds }) => {
      const minutes = ticks(MINUTE, seconds).map((end) => series.map((one) => one.between(end - MINUTE, end)));
      return firstHigh(every(seconds), seconds, (end) =>
        series.map((_, index) => {
          const windows = minutes.slice(0, end / MINUTE).flatMap((minute) => minute[index] ?? []);
          return { control: windows.map((window) => rate(window.stable)), experiment: windows.map((window) => rate(window.canary)) };
        }),
      );
    },
  };
}

type Points = { readonly control: readonly number[]; readonly experiment: readonly number[] };

/** Every metric critical, as a canary configuration for errors has it: one High one fails the canary. */
function firstHigh(every: number, seconds: number, pointsAt: (end: number) => readonly Points[]): number | null {
  const found = ticks(every, seconds).find((end) =>
    pointsAt(end).some((points) => classifyKayenta({ ...points, direction: 'increase', critical: true }).classification === 'High'),
  );
  return found ?? null;
}

const onErrors: readonly Rival[] = [
  argo('argo-1m-fl0', 'Argo, 1 m errors > 1 %, failureLimit 0', { window: MINUTE, relative: false, failureLimit: 0 }),
  argo('argo-1m-fl3', 'Argo, 1 m errors > 1 %, failureLimit 3', { window: MINUTE, relative: false, failureLimit: 3 }),
  argo('argo-5m-fl3', 'Argo, 5 m errors > 1 %, failureLimit 3', { window: 5 * MINUTE, relative: false, failureLimit: 3 }),
  argo('argo-5m-ratio', 'Argo, 5 m errors > 2 times stable, failureLimit 3', { window: 5 * MINUTE, relative: true, failureLimit: 3 }),
  flagger,
  kayenta('kayenta-5m', 'Kayenta, every 5 minutes', () => KAYENTA_INTERVAL),
  kayenta('kayenta-end', 'Kayenta, once at the end', (seconds) => seconds),
];

/** Limits a tenth above what is known of the healthy version; Kayenta on means of a minute. */
const onLatency: readonly Rival[] = [
  {
    name: 'argo-p95-fl3',
    title: 'Argo, 1 m p95 > 1.1 times the known one, failureLimit 3',
    rollbackAt: ({ latency, seconds }) => {
      const values = ticks(ARGO_INTERVAL, seconds).map((end) => ({
        value: [quantile(latency?.between('canary', end - MINUTE, end) ?? [], 0.95)],
      }));
      const metric = { interval: ARGO_INTERVAL, initialDelay: ARGO_INTERVAL, failureLimit: 3 };
      const failureCondition = `result[0] > ${1.1 * latencyQuantile(0.95)}`;
      const verdict = judgeArgo({ metrics: [{ name: 'p95', ...metric, failureCondition }], measurements: { p95: values } });
      return verdict.action === 'abort' ? verdict.decidedAtSecond : null;
    },
  },
  {
    name: 'flagger-p99-5',
    title: 'Flagger, 1 m p99 > 1.1 times the known one, threshold 5',
    rollbackAt: ({ latency, seconds }) => {
      const metrics = [{ name: 'request-duration', thresholdRange: { max: 1.1 * latencyQuantile(0.99) } }];
      const checks = ticks(MINUTE, seconds).map((end) => ({
        values: { 'request-duration': quantile(latency?.between('canary', end - MINUTE, end) ?? [], 0.99) },
      }));
      const { phase, decidedAtSecond } = judgeFlagger({ interval: MINUTE, threshold: 5, metrics }, checks);
      return phase === 'Failed' ? decidedAtSecond : null;
    },
  },
  {
    name: 'kayenta-mean-5m',
    title: 'Kayenta on means of a minute, every 5 minutes',
    rollbackAt: ({ latency, seconds }) => {
      const means = (arm: 'canary' | 'stable'): readonly number[] =>
        ticks(MINUTE, seconds).map((end) => mean(latency?.between(arm, end - MINUTE, end) ?? []));
      const [control, experiment] = [means('stable'), means('canary')];
      return firstHigh(KAYENTA_INTERVAL, seconds, (end) => [
        { control: control.slice(0, end / MINUTE), experiment: experiment.slice(0, end / MINUTE) },
      ]);
    },
  },
];

export function rivalsFor(latency: boolean): readonly Rival[] {
  return latency ? onLatency : onErrors;
}

function ticks(every: number, seconds: number): readonly number[] {
  return Array.from({ length: Math.floor(seconds / every) }, (_, index) => (index + 1) * every);
}

function quantile(values: readonly number[], p: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(p * sorted.length)] ?? NO_DATA;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
