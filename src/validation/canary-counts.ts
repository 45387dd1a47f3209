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
 * The judge's batch of one router batch, with users as the unit on both sides: an error is a user's first failure in 60 s, and what
 * was served are the distinct users of the batch. Failed users over served *requests* would break the bound when users send bursts:
 * the share of requests in a second wanders more than the share of users. Limit: a user who is active in several seconds counts as
 * served in each of them and as failed in one. Undefined for a batch that was counted under other weights than this step's; the
 * router splits a second when the weights change, so nothing is mixed.
 */
export function toJudgeBatch(counts: CountBatch, arms: CanaryArms): Batch | undefined {
  if (counts.weights[arms.canary] !== arms.weight) return undefined;
  const side = (deployment: string) => {
    const arm = counts.arms[deployment];
    const users = arm?.users ?? 0;
    const errors = Math.min(arm?.failedUsers ?? 0, users);
    return { requests: users, errors, failedRequests: Math.min(Math.max(arm?.errors ?? 0, errors), users) };
  };
  return { second: counts.second, canary: side(arms.canary), stable: side(arms.stable), expectedShare: arms.weight / 100 };
}
