import type { Split } from '../batch.ts';
import { at, logMeanExp } from '../log-space.ts';

/**
 * A1, errors proportional to traffic, one-sided with a tolerance: H0 says that the canary fails at most `toleratedRatio`
 * (rho0) times as often as the control. One likelihood ratio per alternative x, mixed evenly:
 *
 *     L_x += c ln x + n ln[(w rho0 + 1 - w) / (w rho0 x + 1 - w)],   E = mean of exp(L_x)
 *
 * P(ever E ≥ 1/alpha) ≤ alpha under H0 for any peeking and any error rate common to both arms (Ville). For rho0 = 1 it holds
 * under random assignment alone: c is hypergeometric given n, and E[x^c] ≤ (w x + 1 - w)^n (Hoeffding 1963, theorem 4). For
 * rho0 > 1 it needs c | n ~ Binomial(n, w rho0 / (w rho0 + 1 - w)), which Poisson errors satisfy.
 */
export const worseRatios = [1.2, 1.5, 2, 3, 5, 10, 20] as const;

const logWorseRatios = worseRatios.map(Math.log);
/** The capital on each alternative: they share evenly. */
export const logEvenPriors = worseRatios.map(() => -Math.log(worseRatios.length));

/** L_x for each x of `worseRatios`. */
export type ErrorMixture = readonly number[];

export const noErrorMixture: ErrorMixture = worseRatios.map(() => 0);

/** ln of the weight that a count of errors carries when the canary fails `ratio` times as often: ln(w rho + 1 - w). */
export function logLoad(share: number, ratio: number): number {
  return Math.log1p(share * (ratio - 1));
}

/** Adds one batch. A batch without errors changes nothing. */
export function observeErrorMixture(mixture: ErrorMixture, split: Split, toleratedRatio: number): ErrorMixture {
  if (split.errors === 0) return mixture;
  const { share, canaryErrors, errors } = split;
  const atTolerated = logLoad(share, toleratedRatio);
  return worseRatios.map(
    (x, i) => at(mixture, i) + canaryErrors * at(logWorseRatios, i) + errors * (atTolerated - logLoad(share, toleratedRatio * x)),
  );
}

/** ln E. */
export function logErrorMixture(mixture: ErrorMixture): number {
  return logMeanExp(mixture);
}
