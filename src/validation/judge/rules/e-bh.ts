/**
 * C2, which metrics are bad (e-BH: Wang & Ramdas, JRSS-B 2022). E-values in falling order, the largest k with
 * E_(k) ≥ K / (k alpha): those k are named. Of those named, the expected share of innocent ones is at most alpha, however the
 * metrics depend on each other.
 */
export function blame<Metric extends { readonly logE: number }>(metrics: readonly Metric[], alpha: number): readonly Metric[] {
  const falling = metrics.toSorted((a, b) => b.logE - a.logE);
  const last = falling.findLastIndex((metric, i) => metric.logE >= Math.log(metrics.length / ((i + 1) * alpha)));
  return falling.slice(0, last + 1);
}
