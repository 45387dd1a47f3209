import type { ArmBatch } from './batch.ts';
import { splitOf } from './batch.ts';
import {
  logBoostedMixture,
  noBoostedMixture,
  boostedRestartShare,
  observeBoostedMixture,
  type BoostedMixture,
  type BoostPlan,
} from './rules/boosted-mixture.ts';
import {
  logEvenPriors,
  logErrorMixture,
  noErrorMixture,
  observeErrorMixture,
  worseRatios,
  type ErrorMixture,
} from './rules/error-mixture.ts';
import { logNonInferiority, noNonInferiority, observeNonInferiority, type NonInferiority } from './rules/non-inferiority.ts';
import { beginRestarts, logRestarted, noRestarts, restartShare, type RestartPlan, type Restarts } from './rules/restart.ts';
import { logTwoSided, noTwoSided, observeTwoSided, type TwoSided } from './rules/two-sided.ts';
import type { JudgeSettings, Method } from './settings.ts';

/** Evidence of harm in one error metric, by the method chosen. */
export type ErrorEvidence =
  | { readonly method: 'a1'; readonly mixture: ErrorMixture }
  | { readonly method: 'a2'; readonly twoSided: TwoSided }
  | { readonly method: 'a3'; readonly mixture: ErrorMixture; readonly restarts: Restarts }
  | { readonly method: 'a4'; readonly boosted: BoostedMixture };

/** One error metric of canary and control: evidence of harm, which runs on over the stages, and evidence of a pass, which does not. */
export interface ComparisonState {
  readonly harm: ErrorEvidence;
  readonly pass: NonInferiority;
}

/** Both arms of one batch. */
export interface Arms {
  readonly canary: ArmBatch;
  readonly control: ArmBatch;
}

/** How one metric is judged: the settings of all, and its share of the capital. */
export interface Terms {
  readonly settings: JudgeSettings;
  readonly weight: number;
}

/** Where in time and traffic a batch stands. */
export interface Occasion {
  readonly elapsedSeconds: number;
  readonly expectedShare: number | null;
}

function restartPlan(settings: JudgeSettings, share: number): RestartPlan {
  const { restartEverySeconds: everySeconds, horizonSeconds = settings.deadlineSeconds } = settings;
  return horizonSeconds === undefined ? { everySeconds, share } : { everySeconds, share, horizonSeconds };
}

function boostPlan({ settings, weight }: Terms): BoostPlan {
  const { toleratedRatio, alpha } = settings;
  return { restart: restartPlan(settings, boostedRestartShare), toleratedRatio, bar: -Math.log(alpha * weight) };
}

function openEvidence(method: Method): ErrorEvidence {
  if (method === 'a2') return { method, twoSided: noTwoSided };
  if (method === 'a3') return { method, mixture: noErrorMixture, restarts: noRestarts(worseRatios.length, restartShare) };
  if (method === 'a4') return { method, boosted: noBoostedMixture };
  return { method, mixture: noErrorMixture };
}

export function openComparison(method: Method): ComparisonState {
  return { harm: openEvidence(method), pass: noNonInferiority };
}

/** The next stage: the pass starts fresh, the evidence of harm is kept. */
export function openComparisonStage(state: ComparisonState): ComparisonState {
  return { harm: state.harm, pass: noNonInferiority };
}

function observeHarm(harm: ErrorEvidence, arms: Arms, terms: Terms, occasion: Occasion): ErrorEvidence {
  const { toleratedRatio } = terms.settings;
  const { elapsedSeconds, expectedShare } = occasion;
  if (harm.method === 'a4') return { method: 'a4', boosted: observeBoostedMixture(harm.boosted, arms, elapsedSeconds, boostPlan(terms)) };
  const split = splitOf(arms.canary, arms.control);
  if (harm.method === 'a2') return { method: 'a2', twoSided: observeTwoSided(harm.twoSided, split, { toleratedRatio, expectedShare }) };
  const mixture = observeErrorMixture(harm.mixture, split, toleratedRatio);
  if (harm.method === 'a1') return { method: 'a1', mixture };
  const plan = restartPlan(terms.settings, restartShare);
  return { method: 'a3', mixture, restarts: beginRestarts(harm.restarts, harm.mixture, elapsedSeconds, plan) };
}

/** Adds what both arms served in one batch. */
export function observeComparison(state: ComparisonState, arms: Arms, terms: Terms, occasion: Occasion): ComparisonState {
  const split = splitOf(arms.canary, arms.control);
  if (split.errors === 0) return state;
  const limit = terms.settings.nonInferiorityRatio;
  return {
    harm: observeHarm(state.harm, arms, terms, occasion),
    pass: limit === undefined ? state.pass : observeNonInferiority(state.pass, split, limit),
  };
}

/** ln E of harm. */
export function logHarm(harm: ErrorEvidence, terms: Terms): number {
  if (harm.method === 'a1') return logErrorMixture(harm.mixture);
  if (harm.method === 'a2') return logTwoSided(harm.twoSided);
  if (harm.method === 'a4') return logBoostedMixture(harm.boosted, boostPlan(terms));
  return logRestarted(harm.restarts, harm.mixture, restartPlan(terms.settings, restartShare), logEvenPriors);
}

/** Whether the evidence points at the canary: a two-sided test fires for a better one as well. */
export function pointsAtHarm(harm: ErrorEvidence): boolean {
  return harm.method !== 'a2' || harm.twoSided.excess > 0;
}

/** ln E of the pass. */
export function logPass(state: ComparisonState): number {
  return logNonInferiority(state.pass);
}
