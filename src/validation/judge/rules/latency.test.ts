import { expect, test } from 'vitest';
import { bandWidth, isSlower, isWithinMargin, largestLag, quantileBounds } from './confidence-band.ts';
import { addLatencies, bucketCount, lowerEdge, noLatencies, quantileBucket, upperEdge, usedBuckets } from './latency-histogram.ts';
import { logPooledRank, noPooledRank, observePooledRank } from './pooled-rank.ts';

function range(count: number, of: (i: number) => number): readonly number[] {
  return Array.from({ length: count }, (_, i) => of(i));
}

test('B1 by hand: one canary sample above one of stable', () => {
  // Scores -1/4 and 1/4: E_l = exp(l/4) / cosh(l/4). Tail: rank 2 lies above (1 - q) 2, half of the pool: E_x = x / (1 + (x - 1)/2).
  const shift = [0.3, 0.6, 1.2, 2.4, 4.8].reduce((sum, l) => sum + Math.exp(l / 4) / Math.cosh(l / 4), 0) / 5;
  const tail = [1.5, 2, 4, 8].reduce((sum, x) => sum + (2 * x) / (1 + x), 0) / 4;
  const evidence = logPooledRank(observePooledRank(noPooledRank, [2], [1]));

  expect(evidence.logERank).toBeCloseTo(Math.log(shift), 12);
  expect(evidence.logETail5).toBeCloseTo(Math.log(tail), 12);
  expect(evidence.logETail1).toBeCloseTo(Math.log(tail), 12);
  expect(evidence.logE).toBeCloseTo(Math.log(shift / 2 + tail / 2), 12);
});

test('equal latencies are no evidence, and neither is a silent arm', () => {
  expect(logPooledRank(observePooledRank(noPooledRank, [5, 5], [5, 5, 5])).logE).toBeCloseTo(0, 12);
  expect(observePooledRank(noPooledRank, [], [1])).toBe(noPooledRank);
  expect(observePooledRank(noPooledRank, [1], [])).toBe(noPooledRank);
  expect(logPooledRank(noPooledRank).logE).toBeCloseTo(0, 12);
});

test('a tie across the edge of a tail counts by its midrank', () => {
  // Forty samples: the three slowest are equal, midrank 39 > 38, so all three are above; the last 1 % begins beyond 39.6.
  const stable = [...range(37, (i) => i), 100, 100];
  const evidence = observePooledRank(noPooledRank, [100], stable);

  expect(evidence.tail5[1]).toBeCloseTo(Math.log(2) - Math.log1p(3 / 40), 12);
  expect(evidence.tail1).toStrictEqual(noPooledRank.tail1);
});

test('a slower canary gathers evidence over batches, a faster one loses it', () => {
  const stable = range(190, (i) => 50 + ((i * 37) % 100));
  const over = (factor: number) =>
    range(40, () => 0).reduce(
      (sum: typeof noPooledRank) =>
        observePooledRank(
          sum,
          range(10, (i) => factor * (50 + ((i * 10) % 100))),
          stable,
        ),
      noPooledRank,
    );

  expect(logPooledRank(over(1.4)).logERank).toBeGreaterThan(Math.log(100));
  expect(logPooledRank(over(0.7)).logE).toBeLessThan(0);
});

test('a few requests that are very slow show in the tail alone', () => {
  const stable = range(970, (i) => 10 + (i % 97));
  const slow = range(40, () => 0).reduce(
    (sum: typeof noPooledRank) => observePooledRank(sum, [...range(27, (i) => 10 + ((i * 3.5) % 97)), 500, 600, 700], stable),
    noPooledRank,
  );
  const evidence = logPooledRank(slow);

  expect(evidence.logETail1).toBeGreaterThan(Math.log(1000));
  expect(evidence.logETail5).toBeGreaterThan(Math.log(100));
  expect(evidence.logE).toBeGreaterThan(Math.log(100));
});

test('the width of the band is the published one', () => {
  // C = 0.8 ln(1612 / 0.05) = 8.305; 0.85 sqrt((ln(1 + ln 1000) + C) / 1000).
  expect(bandWidth(1000, 0.05)).toBeCloseTo(0.85 * Math.sqrt((Math.log(1 + Math.log(1000)) + 0.8 * Math.log(1612 / 0.05)) / 1000), 12);
  expect(bandWidth(0, 0.05)).toBe(1);
  expect(bandWidth(1, 0.05)).toBe(1);
});

test('buckets grow by 2 % and hold their upper edge', () => {
  const histogram = addLatencies(noLatencies, [0, 0.001, 1, 100, 1e12]);

  expect(histogram.count).toBe(5);
  expect(histogram.buckets[0]).toBe(2);
  expect(histogram.buckets[bucketCount - 1]).toBe(1);
  for (const bucket of usedBuckets(histogram).slice(1, -1)) expect(upperEdge(bucket) / lowerEdge(bucket)).toBeCloseTo(1.02, 9);
  expect(lowerEdge(0)).toBe(0);
  expect(upperEdge(0)).toBeCloseTo(0.001, 12);
  expect(upperEdge(bucketCount - 1)).toBe(Infinity);
  const bucket = usedBuckets(addLatencies(noLatencies, [100]))[0] ?? 0;
  expect(lowerEdge(bucket)).toBeLessThan(100);
  expect(upperEdge(bucket)).toBeGreaterThanOrEqual(100);
  expect(
    usedBuckets(addLatencies(noLatencies, [500, 2, 30]))
      .map(upperEdge)
      .map(Math.round),
  ).toStrictEqual([2, 30, 503]);
});

test('whatever is put in, a histogram has a bounded number of buckets', () => {
  const histogram = addLatencies(
    noLatencies,
    range(20_000, (i) => 1.002 ** i),
  );

  expect(usedBuckets(histogram).length).toBeLessThanOrEqual(bucketCount);
  expect(addLatencies(histogram, [5]).count).toBe(20_001);
});

test('a quantile is the first bucket that reaches it', () => {
  const histogram = addLatencies(
    noLatencies,
    range(100, (i) => i + 1),
  );

  expect(upperEdge(quantileBucket(histogram, 0.5) ?? 0)).toBeGreaterThanOrEqual(50);
  expect(lowerEdge(quantileBucket(histogram, 0.5) ?? 0)).toBeLessThan(50);
  expect(quantileBucket(histogram, 1)).toBe(usedBuckets(histogram).at(-1));
  expect(quantileBucket(noLatencies, 0.5)).toBeUndefined();
});

test('the lag is the largest gap between the distributions, at any latency', () => {
  const fast = addLatencies(
    noLatencies,
    range(100, (i) => i + 1),
  );
  const slow = addLatencies(
    noLatencies,
    range(100, (i) => i + 31),
  );

  expect(largestLag(slow, fast)).toBeCloseTo(0.3, 1);
  expect(largestLag(fast, slow)).toBe(0);
  expect(largestLag(noLatencies, fast)).toBe(0);
  expect(largestLag(fast, noLatencies)).toBe(0);
});

test('a canary is slower once the lag exceeds both bands', () => {
  const many = (shift: number) =>
    addLatencies(
      noLatencies,
      range(4000, (i) => ((i * 7) % 100) + 1 + shift),
    );

  expect(isSlower(many(30), many(0), 0.01)).toBe(true);
  expect(isSlower(many(0), many(30), 0.01)).toBe(false);
  expect(isSlower(addLatencies(noLatencies, [31, 60]), many(0), 0.01)).toBe(false);
  // The bands of 4,000 samples each are 0.047 wide at half of 1 %: a lag of 0.08 is inside both, one of 0.11 is not.
  expect(isSlower(many(8), many(0), 0.01)).toBe(false);
  expect(isSlower(many(11), many(0), 0.01)).toBe(true);
});

test('the two bands share alpha: a lag between the bands at alpha and at half of it is not yet called', () => {
  const arm = (slow: number) => ({ count: 1000, buckets: { '500': 1000 - slow, '600': slow } });
  const reach = (a: number) => 2 * bandWidth(1000, a);

  const between = Math.round((1000 * (reach(0.01) + reach(0.005))) / 2);
  expect(isSlower(arm(between), arm(0), 0.01)).toBe(false);
  expect(isSlower(arm(Math.ceil(1000 * reach(0.005))), arm(0), 0.01)).toBe(true);
  expect(largestLag(arm(between), { count: 500, buckets: { '500': 500 } })).toBeCloseTo(between / 1000, 12);
});

test('quantile bounds hold the quantile, and are open while the band is wide', () => {
  const histogram = addLatencies(
    noLatencies,
    range(10_000, (i) => ((i * 7) % 1000) + 1),
  );
  const { low, high } = quantileBounds(histogram, 0.5, 0.01);

  expect(low).toBeGreaterThan(430);
  expect(low).toBeLessThan(500);
  expect(high).toBeGreaterThan(500);
  expect(high).toBeLessThan(570);
  expect(quantileBounds(addLatencies(noLatencies, [1, 2]), 0.5, 0.01)).toStrictEqual({ low: 0, high: null });
  expect(quantileBounds(histogram, 0.99, 0.01).high).toBeNull();
  expect(quantileBounds(histogram, 0.02, 0.01).low).toBe(0);
  expect(
    quantileBounds(
      addLatencies(
        noLatencies,
        range(10_000, () => 1e12),
      ),
      0.5,
      0.01,
    ).high,
  ).toBeNull();
});

test('a canary passes on latency only when its worst is within the margin of stable at its best', () => {
  const arm = (factor: number, count = 10_000) =>
    addLatencies(
      noLatencies,
      range(count, (i) => factor * (50 + ((i * 7) % 50))),
    );
  const limit = { quantile: 0.5, margin: 0.2, beta: 0.05 };

  expect(isWithinMargin({ canary: arm(1), stable: arm(1) }, limit)).toBe(true);
  expect(isWithinMargin({ canary: arm(1.2), stable: arm(1) }, limit)).toBe(false);
  expect(isWithinMargin({ canary: arm(1, 50), stable: arm(1) }, limit)).toBe(false);
  expect(isWithinMargin({ canary: noLatencies, stable: arm(1) }, limit)).toBe(false);
});
