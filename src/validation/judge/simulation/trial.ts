import { observe, openJudge, type JudgeSettings } from '../judge.ts';
import { verdictOf } from '../verdict.ts';
import type { Batch } from '../batch.ts';

/** What one judge did in one simulated run. Seconds are seconds of traffic seen: a decision on the first batch is 1. */
export interface Outcome {
  readonly rollbackAt: number | null;
  readonly passAt: number | null;
  /** Served by and failed on the canary until the decision, or the end. */
  readonly requests: number;
  readonly errors: number;
}

/** Our judge on a stream, until it decides what the trial asks for: a rollback, or with `orPass` also a pass. */
export function judged(settings: JudgeSettings, batches: Iterable<Batch>, orPass: boolean): Outcome {
  let state = openJudge(settings);
  for (const batch of batches) {
    state = observe(state, batch);
    if (state.rolledBack !== null || (orPass && state.passedAt !== null)) break;
  }
  const { rollbackAtSecond, passAtSecond, requests, errors } = verdictOf(state);
  const seconds = (second: number | null): number | null => (second === null ? null : second + 1);
  return { rollbackAt: seconds(rollbackAtSecond), passAt: seconds(passAtSecond), requests: requests.canary, errors: errors.canary };
}
