import { lowerEdge, quantileBucket, upperEdge, usedBuckets, type LatencyHistogram } from './latency-histogram.ts';

/**
 * B2, a band around the empirical distribution function that holds at all times and all x at once (Howard & Ramdas, Bernoulli
 * 28(3) 2022, arXiv 1906.09712): |F_t(x) - F(x)| ≤ eps(t, a) for every t and x, but with probability a. Needs samples that are
 * independent and alike within an arm, so it is for reports and for passing, and B1 decides the rollback. The closed form of C
 * is a little wider than the exact one (8.31 against 8.12 at a = 0.05).
 */
export function bandWidth(count: number, a: number): number {
  if (count === 0) return 1;
  const c = 0.8 * Math.log(1612 / a);
  return Math.min(0.85 * Math.sqrt((Math.log1p(Math.log(count)) + c) / count), 1);
}

/** sup over x of F_stable - F_canary: how much more of the canary is slow, at the latency where it shows most. */
export function largestLag(canary: LatencyHistogram, stable: LatencyHistogram): number {
  if (canary.count === 0 || stable.count === 0) return 0;
  const edges = [...new Set([...usedBuckets(canary), ...usedBuckets(stable)])].sort((a, b) => a - b);
  let [inCanary, inStable, lag] = [0, 0, 0];
  for (const bucket of edges) {
    inCanary += canary.buckets[bucket] ?? 0;
    inStable += stable.buckets[bucket] ?? 0;
    lag = Math.max(lag, inStable / stable.count - inCanary / canary.count);
  }
  return lag;
}

/** Whether the canary is slower somewhere, at level 1 - alpha and at all times at once. */
export function isSlower(canary: LatencyHistogram, stable: LatencyHistogram, alpha: number): boolean {
  return largestLag(canary, stable) > bandWidth(canary.count, alpha / 2) + bandWidth(stable.count, alpha / 2);
}

export interface QuantileBounds {
  readonly low: number;
  /** null: not bounded yet. */
  readonly high: number | null;
}

/** Bounds of a quantile at level 1 - a, rounded outwards to the edges of the histogram (2 %). */
export function quantileBounds(histogram: LatencyHistogram, quantile: number, a: number): QuantileBounds {
  const eps = bandWidth(histogram.count, a);
  const low = quantile > eps ? quantileBucket(histogram, quantile - eps) : undefined;
  const high = quantile + eps < 1 ? quantileBucket(histogram, quantile + eps) : undefined;
  const upper = high === undefined ? Infinity : upperEdge(high);
  return { low: low === undefined ? 0 : lowerEdge(low), high: upper === Infinity ? null : upper };
}

/**
 * D2 for latency: the canary passes when its quantile is at most `1 + margin` times stable's, both ends taken at their worst.
 * P(pass a canary beyond the margin) ≤ beta.
 */
export function isWithinMargin(
  arms: { readonly canary: LatencyHistogram; readonly stable: LatencyHistogram },
  limit: { readonly quantile: number; readonly margin: number; readonly beta: number },
): boolean {
  const canary = quantileBounds(arms.canary, limit.quantile, limit.beta / 2);
  const stable = quantileBounds(arms.stable, limit.quantile, limit.beta / 2);
  return canary.high !== null && canary.high <= (1 + limit.margin) * stable.low;
}
