import type { Split } from '../batch.ts';
import { at, logMeanExp } from '../log-space.ts';
import { logLoad } from './error-mixture.ts';

/**
 * D1, pass early: H0 says that the canary fails at least `limit` (rNI) times as often as the control. The mirror of A1, with
 * alternatives y below 1:
 *
 *     L_y += c ln y + n ln[(w rNI + 1 - w) / (w rNI y + 1 - w)],   E = mean of exp(L_y)
 *
 * P(ever E ≥ 1/beta) ≤ beta for a canary at or beyond the limit (Ville). Requiring it of each of K metrics needs no correction
 * (intersection-union).
 */
export const betterRatios = [0.25, 0.4, 0.5, 0.6, 0.75] as const;

const logBetterRatios = betterRatios.map(Math.log);

/** L_y for each y of `betterRatios`. */
export type NonInferiority = readonly number[];

export const noNonInferiority: NonInferiority = betterRatios.map(() => 0);

/** Adds one batch. A batch without errors changes nothing. */
export function observeNonInferiority(evidence: NonInferiority, split: Split, limit: number): NonInferiority {
  if (split.errors === 0) return evidence;
  const { share, canaryErrors, errors } = split;
  const atLimit = logLoad(share, limit);
  return betterRatios.map(
    (y, i) => at(evidence, i) + canaryErrors * at(logBetterRatios, i) + errors * (atLimit - logLoad(share, limit * y)),
  );
}

/** ln E. */
export function logNonInferiority(evidence: NonInferiority): number {
  return logMeanExp(evidence);
}
