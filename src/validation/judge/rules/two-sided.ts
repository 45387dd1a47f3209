import type { Split } from '../batch.ts';
import { logBetaMarginal } from './dirichlet-mixture.ts';

/**
 * A2 on errors: of all errors, H0 gives the canary the share th0 = w rho0 / (w rho0 + 1 - w). Notices a canary that is better as
 * well as one that is worse; `excess` says which. The numerator is the Beta prior of A2, the denominator takes the th0 of each
 * batch, so E stays a martingale while the traffic's share wanders and is the closed form of the paper while it is constant.
 * A changed weight starts a new factor.
 */
export interface TwoSided {
  /** The centre of the prior: th0 of the first batch under this weight. */
  readonly centre: number | null;
  readonly expectedShare: number | null;
  readonly canaryErrors: number;
  readonly errors: number;
  /** ln of the probability of this factor's errors under H0. */
  readonly logNull: number;
  readonly closedLogE: number;
  /** Canary errors beyond what H0 expects, over all factors. */
  readonly excess: number;
}

export const noTwoSided: TwoSided = { centre: null, expectedShare: null, canaryErrors: 0, errors: 0, logNull: 0, closedLogE: 0, excess: 0 };

/** ln E. */
export function logTwoSided(evidence: TwoSided): number {
  if (evidence.centre === null) return evidence.closedLogE;
  return evidence.closedLogE + logBetaMarginal(evidence.canaryErrors, evidence.errors, evidence.centre) - evidence.logNull;
}

function errorShare(share: number, ratio: number): number {
  return (share * ratio) / (share * ratio + 1 - share);
}

/** Adds one batch. Without errors, or with one arm without traffic, nothing changes. */
export function observeTwoSided(
  evidence: TwoSided,
  split: Split,
  options: { readonly toleratedRatio: number; readonly expectedShare: number | null },
): TwoSided {
  const { share, canaryErrors, errors } = split;
  if (errors === 0 || share === 0 || share === 1) return evidence;
  const { toleratedRatio, expectedShare } = options;
  const th = errorShare(share, toleratedRatio);
  const open =
    evidence.centre !== null && evidence.expectedShare === expectedShare
      ? evidence
      : {
          ...noTwoSided,
          centre: expectedShare === null || expectedShare === 0 || expectedShare === 1 ? th : errorShare(expectedShare, toleratedRatio),
          expectedShare,
          closedLogE: logTwoSided(evidence),
          excess: evidence.excess,
        };
  return {
    ...open,
    canaryErrors: open.canaryErrors + canaryErrors,
    errors: open.errors + errors,
    logNull: open.logNull + canaryErrors * Math.log(th) + (errors - canaryErrors) * Math.log1p(-th),
    excess: open.excess + canaryErrors - errors * th,
  };
}
