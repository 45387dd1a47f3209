import type { CountBatch } from '../environments/index.ts';
import type { Batch } from './judge/judge.ts';

export interface CanaryArms {
  /** Deployment id of the canary. */
  readonly canary: string;
  /** Deployment id of what is live. */
  readonly stable: string;
  /** The weight that was set for the canary in this step, in percent. */
  readonly weight: number;
}

/**
 * The judge's batch of one router batch. An error is a user's first failure in 60 s, not a failed request: one user who
 * fails five times in a row is one user. Undefined for a batch that was counted under other weights than this step's;
 * the router splits a second when the weights change, so nothing is mixed.
 */
export function toJudgeBatch(counts: CountBatch, arms: CanaryArms): Batch | undefined {
  if (counts.weights[arms.canary] !== arms.weight) return undefined;
  const side = (deployment: string) => {
    const arm = counts.arms[deployment];
    const requests = arm?.requests ?? 0;
    const errors = Math.min(arm?.failedUsers ?? 0, requests);
    return { requests, errors, failedRequests: Math.min(Math.max(arm?.errors ?? 0, errors), requests) };
  };
  return { second: counts.second, canary: side(arms.canary), stable: side(arms.stable), expectedShare: arms.weight / 100 };
}
