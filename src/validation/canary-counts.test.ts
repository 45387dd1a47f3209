import { describe, expect, test } from 'vitest';
import type { CountBatch } from '../environments/index.ts';
import { toJudgeBatch } from './canary-counts.ts';

const arms = { canary: 'new', stable: 'old', weight: 5 };
const none = { requests: 0, errors: 0, users: 0, failedUsers: 0, latenciesMs: [] };

function counts(rest: Partial<CountBatch> = {}): CountBatch {
  return { sequence: 1, second: 100, generation: 2, weights: { new: 5, old: 95 }, arms: {}, ...rest };
}

describe('what the judge is given of a second', () => {
  test('counts users, not requests, on both sides', () => {
    const batch = toJudgeBatch(
      counts({
        arms: {
          new: { ...none, requests: 50, errors: 25, users: 10, failedUsers: 5 },
          old: { ...none, requests: 400, errors: 4, users: 200, failedUsers: 2 },
        },
      }),
      arms,
    );

    expect(batch).toEqual({
      second: 100,
      canary: { requests: 10, errors: 5, failedRequests: 10 },
      stable: { requests: 200, errors: 2, failedRequests: 4 },
      expectedShare: 0.05,
    });
  });

  test('leaves out what was counted under other weights', () => {
    expect(toJudgeBatch(counts({ weights: { new: 25, old: 75 } }), arms)).toBeUndefined();
    expect(toJudgeBatch(counts({ weights: { old: 100 } }), arms)).toBeUndefined();
  });

  test('an arm nobody reached served nobody', () => {
    expect(toJudgeBatch(counts(), arms)).toMatchObject({ canary: { requests: 0, errors: 0 }, stable: { requests: 0, errors: 0 } });
  });

  test('never has more failures than users', () => {
    const batch = toJudgeBatch(counts({ arms: { new: { ...none, requests: 3, errors: 3, users: 1, failedUsers: 2 } } }), arms);

    expect(batch?.canary).toEqual({ requests: 1, errors: 1, failedRequests: 1 });
  });
});
