import type { ArmBatch, Split } from '../batch.ts';
import { splitOf } from '../batch.ts';
import { at } from '../log-space.ts';
import { logLoad } from './error-mixture.ts';
import { binomial, hypergeometric } from './null-distribution.ts';
import { beginRestarts, logRestarted, noRestarts, type RestartPlan, type Restarts } from './restart.ts';

/**
 * A4: A1 with the capital where releases break, a fifth of it on restarts (A3), and no overshoot. Sooner than A1 and A3 at the
 * same alpha; README.md has the numbers.
 *
 * Overshoot: a canary error multiplies E by about 3, so E jumps past its bar 1/alpha by a factor of 2 on average, and all of
 * it is wasted, because nobody is rolled back twice. Capital beyond the bar is therefore given up beforehand and paid out where
 * it helps (Fischer & Ramdas, arXiv 2410.16076, "sequential boosting"): when the next batch could cross the bar, E is multiplied
 * by the largest b ≥ 1 with
 *
 *     E_H0[ min(b E_next, 1/alpha) | past ] ≤ E_now
 *
 * Proof: min(b E, 1/alpha) is then a nonnegative supermartingale with start 1 that reaches 1/alpha exactly when b E does, and
 * Ville's inequality holds for it. H0 is composite (ratio ≤ rho0); E_next rises with the canary's errors c, and c is
 * stochastically largest at rho0, so the mean is taken there. The law of c given n: binomial for Poisson errors; for rho0 = 1
 * also hypergeometric (random assignment), and the smaller b of the two is used, so that it holds under either.
 */
const boostedRatios = [1.2, 1.5, 2, 3, 4, 5, 10, 20] as const;
/** Chosen by simulation for 2 to 5 times the errors, with enough on 20 for canaries of one request in two seconds. */
const priors = [0.02, 0.05, 0.24, 0.18, 0.15, 0.1, 0.1, 0.16] as const;
/** Capital on the restarts: a fifth costs ln(1/0.8) = 0.22 nats at once, two seconds at 4 times the errors. */
export const boostedRestartShare = 0.2;

const logRatios = boostedRatios.map(Math.log);
const logPriors = priors.map(Math.log);
/** Beyond so many errors in one batch b is left at 1: it is nearly that, and the sum over outcomes would cost more than it gives. */
const mostErrors = 64;

export interface BoostedMixture {
  readonly mixture: readonly number[];
  readonly restarts: Restarts;
  /** ln of all b so far. */
  readonly logBoost: number;
  /** The bar was reached: E stays there. */
  readonly stopped: boolean;
}

export interface BoostPlan {
  readonly restart: RestartPlan;
  readonly toleratedRatio: number;
  /** ln of where E is stopped: ln(1/alpha), or ln(1/(alpha v)) for a metric of weight v. */
  readonly bar: number;
}

export const noBoostedMixture: BoostedMixture = {
  mixture: boostedRatios.map(() => 0),
  restarts: noRestarts(boostedRatios.length, boostedRestartShare),
  logBoost: 0,
  stopped: false,
};

/** ln E. */
export function logBoostedMixture(evidence: BoostedMixture, plan: BoostPlan): number {
  if (evidence.stopped) return plan.bar;
  return evidence.logBoost + logRestarted(evidence.restarts, evidence.mixture, plan.restart, logPriors);
}

function advance(evidence: BoostedMixture, split: Split, toleratedRatio: number): BoostedMixture {
  const { share, canaryErrors, errors } = split;
  const atTolerated = logLoad(share, toleratedRatio);
  const mixture = boostedRatios.map(
    (x, i) => at(evidence.mixture, i) + canaryErrors * at(logRatios, i) + errors * (atTolerated - logLoad(share, toleratedRatio * x)),
  );
  return { ...evidence, mixture };
}

/**
 * The largest b with Σ p_c min(b m_c, 1) ≤ now, all in units of the bar; m rises with c. The outcomes that reach the bar are the
 * last k: for each k in turn b follows from a line, and the first k that is consistent with its own b is it.
 */
export function boostFactor(probabilities: readonly number[], outcomes: readonly number[], now: number): number {
  // Sums from below: the outcomes beyond the bar may be larger by many orders, and a difference would lose the rest.
  const below = [0];
  for (const [c, m] of outcomes.entries()) below.push(at(below, c) + at(probabilities, c) * m);
  let reached = 0;
  for (let last = outcomes.length - 1; last >= 0; last -= 1) {
    const factor = (now - reached) / at(below, last + 1);
    if (factor * at(outcomes, last) <= 1) return Math.max(factor, 1);
    reached += at(probabilities, last);
  }
  return 1;
}

function logBoostOf(evidence: BoostedMixture, arms: { readonly canary: ArmBatch; readonly control: ArmBatch }, plan: BoostPlan): number {
  const split = splitOf(arms.canary, arms.control);
  const { share, errors } = split;
  const logAfter = (canaryErrors: number): number =>
    logBoostedMixture(advance(evidence, { ...split, canaryErrors }, plan.toleratedRatio), plan) - plan.bar;
  if (errors > mostErrors || logAfter(errors) <= 0) return 0;
  const now = Math.exp(logBoostedMixture(evidence, plan) - plan.bar);
  const outcomes = Array.from({ length: errors + 1 }, (_, c) => Math.exp(logAfter(c)));
  const load = share * plan.toleratedRatio;
  const factors = [boostFactor(binomial(errors, load / (load + 1 - share)), outcomes, now)];
  if (plan.toleratedRatio === 1)
    factors.push(boostFactor(hypergeometric(errors, arms.canary.requests, arms.control.requests), outcomes, now));
  return Math.log(Math.min(...factors));
}

/** Adds one batch. Without errors, or with one arm without traffic, nothing changes. */
export function observeBoostedMixture(
  evidence: BoostedMixture,
  arms: { readonly canary: ArmBatch; readonly control: ArmBatch },
  elapsedSeconds: number,
  plan: BoostPlan,
): BoostedMixture {
  const split = splitOf(arms.canary, arms.control);
  if (evidence.stopped || split.errors === 0 || split.share === 0 || split.share === 1) return evidence;
  const begun = { ...evidence, restarts: beginRestarts(evidence.restarts, evidence.mixture, elapsedSeconds, plan.restart) };
  const logBoost = evidence.logBoost + logBoostOf(begun, arms, plan);
  const next = { ...advance(begun, split, plan.toleratedRatio), logBoost };
  return { ...next, stopped: logBoostedMixture(next, plan) >= plan.bar };
}
