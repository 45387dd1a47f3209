import { logBetaMarginal } from './dirichlet-mixture.ts';

/**
 * The served share against the weight set on the router (sample-ratio mismatch): A2 on request counts. A canary that is served
 * 3 % when 5 % were set loses requests before they are counted, or is not the version we think: the counts compare nothing,
 * and the verdict is inconclusive.
 *
 * `tolerance` widens H0 to shares whose odds lie within that factor of the odds set, because routers are sticky: the users that
 * fell to the canary stay there, so the share of 20 users in 400 is off by a fifth for good. The likelihood of H0 is then taken
 * at the tolerated share nearest to the one seen, which keeps the bound for every share inside. Tolerance 1 is A2 itself.
 */
export interface ServedShare {
  /** The weight in force; null before the first batch that names one. */
  readonly expected: number | null;
  readonly canaryRequests: number;
  readonly requests: number;
  /** ln E of the weights that were in force before: they multiply. */
  readonly closedLogE: number;
}

export const noServedShare: ServedShare = { expected: null, canaryRequests: 0, requests: 0, closedLogE: 0 };

function odds(share: number): number {
  return share / (1 - share);
}

function shareOf(o: number): number {
  return o / (1 + o);
}

/** ln E against "the served share is the expected one, within the tolerance". */
export function logServedShare(check: ServedShare, tolerance: number): number {
  const { expected, canaryRequests, requests, closedLogE } = check;
  if (expected === null || requests === 0) return closedLogE;
  const low = shareOf(odds(expected) / tolerance);
  const high = shareOf(odds(expected) * tolerance);
  const nearest = Math.min(Math.max(canaryRequests / requests, low), high);
  const underNull = canaryRequests * Math.log(nearest) + (requests - canaryRequests) * Math.log1p(-nearest);
  return closedLogE + logBetaMarginal(canaryRequests, requests, expected) - underNull;
}

/** Adds one batch. A new weight starts new counts; the evidence so far is kept as a factor. A weight of 0 or 1 compares nothing. */
export function observeServedShare(
  check: ServedShare,
  batch: { readonly expected: number; readonly canary: number; readonly all: number },
  tolerance: number,
): ServedShare {
  const { expected, canary, all } = batch;
  if (expected === 0 || expected === 1) return check;
  if (check.expected === expected) return { ...check, canaryRequests: check.canaryRequests + canary, requests: check.requests + all };
  return { expected, canaryRequests: canary, requests: all, closedLogE: logServedShare(check, tolerance) };
}

/**
 * The tolerance that a sticky router needs: with `users` distinct users at once, the odds of the share wander by about
 * 1 / sqrt(users share (1 - share)) of themselves; four of those, so that one stage in 15,000 is called mismatched by chance.
 */
export function shareToleranceFor(users: number, share: number): number {
  return Math.exp(4 / Math.sqrt(Math.max(users * share * (1 - share), 1)));
}
