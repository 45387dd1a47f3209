import type { Scenario } from './scenarios.ts';
import type { Outcome } from './trial.ts';

/** A figure with its 95 % confidence interval. */
export interface Estimate {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface Summary {
  readonly runs: number;
  /** Share of runs rolled back wrongly: all rollbacks of a harmless canary, and those before the harm began. */
  readonly falseRollbacks: Estimate;
  /** Share of runs in which harm was noticed within the hour. */
  readonly detected: Estimate;
  /** Seconds from the beginning of the harm; a run that did not notice counts as beyond every figure (median) or as the whole time (mean). */
  readonly delayMedian: Estimate;
  readonly delayMean: Estimate;
  /** Requests the canary served from the beginning to the decision, and its failures beyond a healthy version's. */
  readonly requestsServed: number;
  readonly extraFailures: number | null;
  readonly passed: Estimate;
  readonly passMedian: Estimate;
}

const Z = 1.959964;

export function summarise(scenario: Scenario, outcomes: readonly Outcome[]): Summary {
  const { truth, onset, seconds, base, latency, metrics } = scenario;
  const early = outcomes.filter(({ rollbackAt }) => rollbackAt !== null && (truth === 'harmless' || rollbackAt <= onset));
  const exposed = truth === 'harm' ? outcomes.filter(({ rollbackAt }) => rollbackAt === null || rollbackAt > onset) : [];
  const delays = exposed.map(({ rollbackAt }) => (rollbackAt === null ? Infinity : rollbackAt - onset));
  const passes = outcomes.map(({ passAt, rollbackAt }) => (passAt !== null && passAt <= (rollbackAt ?? Infinity) ? passAt : Infinity));
  return {
    runs: outcomes.length,
    falseRollbacks: truth === 'limit' ? unknown : share(early.length, outcomes.length),
    detected: share(delays.filter(Number.isFinite).length, delays.length),
    delayMedian: median(delays),
    delayMean: mean(delays.map((delay) => Math.min(delay, seconds - onset))),
    requestsServed: average(outcomes.map(({ requests }) => requests)),
    // Only where the errors as a whole are what is bad: a metric beside them, or latency, fails no request.
    extraFailures: latency || metrics.length > 0 ? null : average(outcomes.map(({ requests, errors }) => errors - base * requests)),
    passed: share(passes.filter(Number.isFinite).length, outcomes.length),
    passMedian: median(passes),
  };
}

const unknown: Estimate = { value: null, low: null, high: null };

/** Wilson's interval: right also at none of many. */
export function share(count: number, of: number): Estimate {
  if (of === 0) return unknown;
  const p = count / of;
  const centre = p + (Z * Z) / (2 * of);
  const half = Z * Math.sqrt((p * (1 - p)) / of + (Z * Z) / (4 * of * of));
  const scale = 1 + (Z * Z) / of;
  return { value: p, low: Math.max(0, (centre - half) / scale), high: Math.min(1, (centre + half) / scale) };
}

/** Between order statistics. null is beyond the end of the run. */
export function median(values: readonly number[]): Estimate {
  if (values.length === 0) return unknown;
  const sorted = values.toSorted((a, b) => a - b);
  const half = (Z * Math.sqrt(values.length)) / 2;
  const at = (rank: number): number | null => {
    const value = sorted[Math.min(Math.max(Math.round(rank), 0), sorted.length - 1)];
    return value === undefined || value === Infinity ? null : value;
  };
  const middle = (sorted.length - 1) / 2;
  return { value: at(middle), low: at(middle - half), high: at(middle + half) };
}

export function mean(values: readonly number[]): Estimate {
  if (values.length === 0) return unknown;
  const value = average(values);
  const spread = Math.sqrt(values.reduce((sum, one) => sum + (one - value) ** 2, 0) / Math.max(1, values.length - 1));
  const half = (Z * spread) / Math.sqrt(values.length);
  return { value, low: value - half, high: value + half };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
