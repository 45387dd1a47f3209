import { normalQuantile } from './normal-quantile.ts';
import { findZero } from './root.ts';

/**
 * The rank-sum test as Kayenta runs it: two-sided, normal approximation, tie and continuity correction, with a
 * confidence interval for the shift found by searching for the shifts the test would just not reject.
 */
export interface Shift {
  readonly low: number;
  readonly high: number;
  /** Hodges–Lehmann: the shift at which both samples rank alike. */
  readonly estimate: number;
}

/** Throws `RangeError` when the variance of the rank sum is zero (all observations tied), as Kayenta does. */
export function shiftBetween(experiment: readonly number[], control: readonly number[], confidence: number): Shift {
  const x = sorted(experiment);
  const y = sorted(control);
  const lowest = first(x) - last(y);
  const highest = last(x) - first(y);
  const z = -normalQuantile((1 - confidence) / 2);
  return {
    low: boundary(x, y, z, [lowest, highest]),
    high: boundary(x, y, -z, [lowest, highest]),
    estimate: findZero((shift) => standardised(x, y, shift), lowest, highest),
  };
}

/** Where the statistic meets `z`; the end of the range when it never does (too few points to reject anything). */
function boundary(x: Float64Array, y: Float64Array, z: number, [lowest, highest]: readonly [number, number]): number {
  if (standardised(x, y, lowest) - z <= 0) return lowest;
  if (standardised(x, y, highest) - z >= 0) return highest;
  return findZero((shift) => standardised(x, y, shift) - z, lowest, highest);
}

/** (U − mn/2 ∓ ½) / σ for the samples x − shift and y, both sorted. */
export function standardised(x: Float64Array, y: Float64Array, shift: number): number {
  const m = x.length;
  const n = y.length;
  const { rankSum, ties } = rankOf(x, y, shift);
  const centred = rankSum - (m * (m + 1)) / 2 - (m * n) / 2;
  const sigma = Math.sqrt(((m * n) / 12) * (m + n + 1 - ties / ((m + n) * (m + n - 1))));
  if (!(sigma > 0)) throw new RangeError('expected observations that differ, got all of them tied');
  return (centred - Math.sign(centred) * 0.5) / sigma;
}

/** One merge of two sorted samples: the midrank sum of the first, and Σ(t³ − t) over groups of t ties. */
function rankOf(x: Float64Array, y: Float64Array, shift: number): { rankSum: number; ties: number } {
  let rankSum = 0;
  let ties = 0;
  let i = 0;
  let j = 0;
  while (i < x.length || j < y.length) {
    const before = i + j;
    const value = Math.min(i < x.length ? at(x, i) - shift : Infinity, j < y.length ? at(y, j) : Infinity);
    const from = i;
    while (i < x.length && at(x, i) - shift === value) i += 1;
    while (j < y.length && at(y, j) === value) j += 1;
    const size = i + j - before;
    rankSum += (i - from) * (before + (size + 1) / 2);
    ties += size ** 3 - size;
  }
  return { rankSum, ties };
}

/** Common language effect size: the share of pairs in which the experiment is higher, ties counting one half. */
export function commonLanguageEffect(experiment: readonly number[], control: readonly number[]): number {
  const m = experiment.length;
  const { rankSum } = rankOf(sorted(experiment), sorted(control), 0);
  return (2 * rankSum - m * (m + 1)) / (2 * control.length * m);
}

function sorted(values: readonly number[]): Float64Array {
  return Float64Array.from(values).sort();
}

function at(values: Float64Array, index: number): number {
  return values[index] ?? Number.NaN;
}

function first(values: Float64Array): number {
  return at(values, 0);
}

function last(values: Float64Array): number {
  return at(values, values.length - 1);
}
