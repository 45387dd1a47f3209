import type { Split } from '../batch.ts';
import { at, logAdd, logMeanExp } from '../log-space.ts';
import { logLoad, worseRatios } from './error-mixture.ts';

/**
 * Watching without end (Shin, Ramdas & Rinaldo, arXiv 2203.03532): an e-detector adds up evidence from every possible onset.
 *
 *     Shiryaev-Roberts: M = (M + 1) E_batch      CUSUM: M = max(M, 1) E_batch
 *
 * With an alarm at M ≥ 1/alpha, false alarms are at least 1/alpha batches apart on average. That bounds their rate, and not the
 * chance of ever raising one, which is 1 for anything that watches for ever. CUSUM never exceeds Shiryaev-Roberts and is quicker
 * to forget.
 */
export type Detector = 'shiryaev-roberts' | 'cusum';

/** What the next batch multiplies, as a logarithm: ln(M + 1) or ln max(M, 1). 0 at the start, where M is 0. */
export function carry(logM: number, detector: Detector): number {
  return detector === 'cusum' ? Math.max(logM, 0) : logAdd(logM, 0);
}

/** One detector for each alternative of A1; their mean is an e-detector again. */
export interface ErrorDetector {
  readonly detector: Detector;
  readonly carried: readonly number[];
  /** ln of the mean of M_x after the last batch; null before the first. */
  readonly logM: number | null;
}

export function openErrorDetector(detector: Detector): ErrorDetector {
  return { detector, carried: worseRatios.map(() => 0), logM: null };
}

/** Adds one batch. The time between false alarms is counted in batches, so a batch without errors is one too. */
export function observeErrorDetector(state: ErrorDetector, split: Split, toleratedRatio: number): ErrorDetector {
  const { share, canaryErrors, errors } = split;
  const atTolerated = logLoad(share, toleratedRatio);
  const grown = worseRatios.map(
    (x, i) => at(state.carried, i) + canaryErrors * Math.log(x) + errors * (atTolerated - logLoad(share, toleratedRatio * x)),
  );
  return { detector: state.detector, carried: grown.map((logM) => carry(logM, state.detector)), logM: logMeanExp(grown) };
}

/** Whether the evidence has reached its bar: M ≥ 1/alpha. */
export function isAlarm(state: { readonly logM: number | null }, alpha: number): boolean {
  return state.logM !== null && state.logM >= -Math.log(alpha);
}
