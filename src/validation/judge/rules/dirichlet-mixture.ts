import { logBeta, logGamma } from '../log-space.ts';

/** Weight of the prior in observations: how far from the expected share the alternative is thought to lie. */
const priorWeight = 10;

/**
 * A2, two-sided test of shares (Lindon & Malek, arXiv 2011.03567): N things fell into K cells that H0 gives the shares th_i;
 * the alternative is a Dirichlet prior a = k th around them:
 *
 *     ln E = ln Γ(Σa)/Γ(Σa + N) + Σ ln Γ(a_i + x_i)/Γ(a_i) - Σ x_i ln th_i
 *
 * P(ever E ≥ 1/alpha) ≤ alpha. A cell of share 0 that still received something makes E infinite.
 */
export function logDirichletMixture(counts: readonly number[], shares: readonly number[]): number {
  let total = 0;
  let logE = 0;
  for (const [i, count] of counts.entries()) {
    const share = shares[i] ?? 0;
    total += count;
    if (share > 0) logE += logGamma(priorWeight * share + count) - logGamma(priorWeight * share) - count * Math.log(share);
    else if (count > 0) return Infinity;
  }
  return logE + logGamma(priorWeight) - logGamma(priorWeight + total);
}

/**
 * ln of the probability that the Beta prior around `share` gave to this order of `inside` hits among `total`: the numerator of
 * A2 with two cells, for those who accumulate the denominator themselves because the share moves a little in each batch.
 */
export function logBetaMarginal(inside: number, total: number, share: number): number {
  const a = priorWeight * share;
  const b = priorWeight * (1 - share);
  return logBeta(a + inside, b + total - inside) - logBeta(a, b);
}
