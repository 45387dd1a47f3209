import type { ArmBatch, Split } from './batch.ts';
import { splitOf } from './batch.ts';
import { logErrorMixture, noErrorMixture, observeErrorMixture, worseRatios, type ErrorMixture } from './rules/error-mixture.ts';
import { logNonInferiority, noNonInferiority, observeNonInferiority, type NonInferiority } from './rules/non-inferiority.ts';
import { beginRestarts, logRestarted, noRestarts, type RestartPlan, type Restarts } from './rules/restart.ts';
import { logTwoSided, noTwoSided, observeTwoSided, type TwoSided } from './rules/two-sided.ts';
import type { JudgeSettings } from './settings.ts';

/** Evidence of harm in one error metric, by the method chosen. */
export type ErrorEvidence =
  | { readonly method: 'a1'; readonly mixture: ErrorMixture }
  | { readonly method: 'a2'; readonly twoSided: TwoSided }
  | { readonly method: 'a3'; readonly mixture: ErrorMixture; readonly restarts: Restarts };

/** One error metric of canary and control: evidence of harm, which runs on over the stages, and evidence of a pass, which does not. */
export interface ComparisonState {
  readonly harm: ErrorEvidence;
  readonly pass: NonInferiority;
}

/** Where in time and traffic a batch stands. */
export interface Occasion {
  readonly elapsedSeconds: number;
  readonly expectedShare: number | null;
}

function restartPlan(settings: JudgeSettings): RestartPlan {
  const { restartEverySeconds: everySeconds, horizonSeconds = settings.deadlineSeconds } = settings;
  return horizonSeconds === undefined ? { everySeconds } : { everySeconds, horizonSeconds };
}

function openEvidence(settings: JudgeSettings): ErrorEvidence {
  const { method } = settings;
  if (method === 'a2') return { method, twoSided: noTwoSided };
  if (method === 'a3') return { method, mixture: noErrorMixture, restarts: noRestarts(worseRatios.length) };
  return { method, mixture: noErrorMixture };
}

export function openComparison(settings: JudgeSettings): ComparisonState {
  return { harm: openEvidence(settings), pass: noNonInferiority };
}

/** The next stage: the pass starts fresh, the evidence of harm is kept. */
export function openComparisonStage(state: ComparisonState): ComparisonState {
  return { harm: state.harm, pass: noNonInferiority };
}

function observeHarm(harm: ErrorEvidence, split: Split, settings: JudgeSettings, occasion: Occasion): ErrorEvidence {
  const { toleratedRatio } = settings;
  if (harm.method === 'a2') {
    return { method: 'a2', twoSided: observeTwoSided(harm.twoSided, split, { toleratedRatio, expectedShare: occasion.expectedShare }) };
  }
  const mixture = observeErrorMixture(harm.mixture, split, toleratedRatio);
  if (harm.method === 'a1') return { method: 'a1', mixture };
  return { method: 'a3', mixture, restarts: beginRestarts(harm.restarts, harm.mixture, occasion.elapsedSeconds, restartPlan(settings)) };
}

/** Adds what both arms served in one batch. */
export function observeComparison(
  state: ComparisonState,
  arms: { readonly canary: ArmBatch; readonly control: ArmBatch },
  settings: JudgeSettings,
  occasion: Occasion,
): ComparisonState {
  const split = splitOf(arms.canary, arms.control);
  if (split.errors === 0) return state;
  const limit = settings.nonInferiorityRatio;
  return {
    harm: observeHarm(state.harm, split, settings, occasion),
    pass: limit === undefined ? state.pass : observeNonInferiority(state.pass, split, limit),
  };
}

/** ln E of harm. */
export function logHarm(harm: ErrorEvidence, settings: JudgeSettings): number {
  if (harm.method === 'a2') return logTwoSided(harm.twoSided);
  if (harm.method === 'a1') return logErrorMixture(harm.mixture);
  return logRestarted(harm.restarts, harm.mixture, restartPlan(settings));
}

/** Whether the evidence points at the canary: a two-sided test fires for a better one as well. */
export function pointsAtHarm(harm: ErrorEvidence): boolean {
  return harm.method !== 'a2' || harm.twoSided.excess > 0;
}

/** ln E of the pass. */
export function logPass(state: ComparisonState): number {
  return logNonInferiority(state.pass);
}
