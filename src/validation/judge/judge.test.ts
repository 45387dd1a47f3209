import { expect, test } from 'vitest';
import { observe, openJudge, openStage, resolveSettings, verdictAtEnd, verdictOf, type Batch, type JudgeState } from './judge.ts';

function batch(second: number, canary: readonly [number, number], stable: readonly [number, number]): Batch {
  return { second, canary: { requests: canary[0], errors: canary[1] }, stable: { requests: stable[0], errors: stable[1] } };
}

function observeAll(state: JudgeState, batches: readonly Batch[]): JudgeState {
  return batches.reduce(observe, state);
}

test('without data every E-value is 1 and the judge goes on', () => {
  const verdict = verdictOf(openJudge(resolveSettings()));

  expect(verdict).toMatchObject({ kind: 'continue', logE: 0, logEPass: 0, fired: [], seconds: 0 });
  expect(verdict.ratio).toStrictEqual({ estimate: null, low: 0, high: null, level: 0.99 });
});

test('an outage of the canary is rolled back in its first second', () => {
  const state = observe(openJudge(resolveSettings()), batch(100, [10, 10], [190, 1]));

  expect(verdictOf(state)).toMatchObject({ kind: 'rollback', fired: ['errors'], rollbackAtSecond: 100, seconds: 1 });
});

test('a canary as good as stable passes early', () => {
  const state = observeAll(
    openJudge(resolveSettings()),
    Array.from({ length: 60 }, (_, second) => batch(second, [100, second % 2], [100, (second + 1) % 2])),
  );

  expect(verdictOf(state).kind).toBe('pass');
  expect(verdictOf(openStage(state))).toMatchObject({ kind: 'continue', logEPass: 0, passAtSecond: null });
});

test('an input that ends without a request on the canary is inconclusive, never a pass', () => {
  const state = observe(openJudge(resolveSettings()), batch(0, [0, 0], [190, 5]));

  expect(verdictOf(state).kind).toBe('continue');
  expect(verdictAtEnd(state)).toMatchObject({ kind: 'inconclusive', reasons: [{ code: 'canary.no-data' }] });
});
