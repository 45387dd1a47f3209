/** What Kayenta does to a metric's points before it compares them. */
export type NanStrategy = 'remove' | 'replace';
export type OutlierStrategy = 'keep' | 'remove';

export interface Transform {
  readonly nanStrategy: NanStrategy;
  readonly outliers: OutlierStrategy;
  /** Fences at `factor` interquartile ranges beyond the quartiles. Kayenta's default is 3. */
  readonly outlierFactor: number;
}

/** Missing points first, then outliers, each on its own side: control and experiment never see one another here. */
export function transformed(points: readonly number[], transform: Transform): readonly number[] {
  const present =
    transform.nanStrategy === 'remove'
      ? points.filter((point) => !Number.isNaN(point))
      : points.map((point) => (Number.isNaN(point) ? 0 : point));
  return transform.outliers === 'remove' ? withoutOutliers(present, transform.outlierFactor) : present;
}

/** Interquartile fences, never tighter than the 1st and 99th percentile. */
function withoutOutliers(points: readonly number[], factor: number): readonly number[] {
  if (points.length === 0) return points;
  const sorted = points.toSorted((a, b) => a - b);
  const range = percentile(sorted, 0.75) - percentile(sorted, 0.25);
  const low = Math.min(percentile(sorted, 0.01), percentile(sorted, 0.25) - factor * range);
  const high = Math.max(percentile(sorted, 0.99), percentile(sorted, 0.75) + factor * range);
  return points.filter((point) => point >= low && point <= high);
}

/** Hyndman and Fan's type 7: linear between the order statistics at (n − 1)p. */
function percentile(sorted: readonly number[], p: number): number {
  const position = (sorted.length - 1) * p;
  const below = Math.floor(position);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[below + 1] ?? low;
  return low + (position - below) * (high - low);
}
