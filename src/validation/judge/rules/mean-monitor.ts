/**
 * E, rules for a mean, for metrics that are neither counts of failures nor latencies.
 *
 * mSPRT (Johari, Pekelis & Walsh 2015; Johari et al. 2022): normal samples of known variance v, sum S; H0 says that their mean is
 * 0, the alternative is a normal prior of deviation tau:
 *
 *     E = sqrt(v / (v + n tau²)) exp(tau² S² / (2 v (v + n tau²)))
 *
 * P(ever E ≥ 1/alpha) ≤ alpha under normality.
 */
export interface MeanEvidence {
  readonly count: number;
  readonly sum: number;
}

export const noMeanEvidence: MeanEvidence = { count: 0, sum: 0 };

export function observeMean(evidence: MeanEvidence, value: number): MeanEvidence {
  return { count: evidence.count + 1, sum: evidence.sum + value };
}

/** ln E for samples of variance v and a prior of deviation tau. */
export function logMeanE(evidence: MeanEvidence, variance: number, prior: number): number {
  const spread = variance + evidence.count * prior ** 2;
  return 0.5 * Math.log(variance / spread) + (prior ** 2 * evidence.sum ** 2) / (2 * variance * spread);
}

/** CUSUM of standardised residuals: S = max(0, S + z - slack). Quick; controls only the average run length, under its model. */
export function observeCusum(sum: number, z: number, slack: number): number {
  return Math.max(0, sum + z - slack);
}

/** EWMA: z_t = l x + (1 - l) z. Quick; controls only the average run length, under its model. */
export function observeEwma(average: number, value: number, weight: number): number {
  return weight * value + (1 - weight) * average;
}
