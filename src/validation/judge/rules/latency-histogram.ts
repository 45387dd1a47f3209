/**
 * Latencies of one arm in bounded memory: buckets whose edges grow by 2 %, so that any quantile is known to 2 %, and the
 * distribution function is exact at every edge. At most `bucketCount` buckets whatever is put in: from a microsecond (anything
 * faster falls into the first) to about three hours (anything slower into the last).
 */
export interface LatencyHistogram {
  readonly count: number;
  /** Samples in bucket i, for the buckets that have any. */
  readonly buckets: Readonly<Record<string, number>>;
}

const growth = Math.log(1.02);
const smallestMs = 1e-3;
export const bucketCount = 1164;

export const noLatencies: LatencyHistogram = { count: 0, buckets: {} };

function bucketOf(ms: number): number {
  if (ms <= smallestMs) return 0;
  return Math.min(Math.ceil(Math.log(ms / smallestMs) / growth), bucketCount - 1);
}

/** The largest latency that falls into a bucket: Infinity for the last. */
export function upperEdge(bucket: number): number {
  return bucket === bucketCount - 1 ? Infinity : smallestMs * Math.exp(bucket * growth);
}

/** The edge below a bucket: 0 for the first. */
export function lowerEdge(bucket: number): number {
  return bucket === 0 ? 0 : smallestMs * Math.exp((bucket - 1) * growth);
}

export function addLatencies(histogram: LatencyHistogram, latencies: readonly number[]): LatencyHistogram {
  const buckets: Record<string, number> = { ...histogram.buckets };
  for (const ms of latencies) {
    const bucket = bucketOf(ms);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  return { count: histogram.count + latencies.length, buckets };
}

/** Buckets in use, in rising order. */
export function usedBuckets(histogram: LatencyHistogram): readonly number[] {
  return Object.keys(histogram.buckets)
    .map(Number)
    .sort((a, b) => a - b);
}

/** The bucket that holds the quantile: the first whose distribution function reaches it. Undefined without samples or above 1. */
export function quantileBucket(histogram: LatencyHistogram, quantile: number): number | undefined {
  let below = 0;
  for (const bucket of usedBuckets(histogram)) {
    below += histogram.buckets[bucket] ?? 0;
    if (below >= quantile * histogram.count) return bucket;
  }
  return undefined;
}
