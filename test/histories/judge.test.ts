import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { JudgeSettings, JudgedBatch, Verdict } from '../../src/validation/index.ts';
import { observe, openJudge, openStage, verdictOf } from '../../src/validation/index.ts';

/** Recorded by `npm run demo -- --record test/histories`: real canaries, judged live. A file here is never edited. */
interface History {
  readonly settings: JudgeSettings;
  readonly verdict: Verdict;
  readonly batches: readonly JudgedBatch[];
}

const histories = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.json'));

test('there are histories to hold new code against', () => {
  expect(histories.length).toBeGreaterThan(0);
});

describe.each(histories)('the canary of %s', (file) => {
  const history = JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8')) as History;

  test('gets the same verdict from the same counts, with the same evidence after every batch', () => {
    let state = openJudge(history.settings);
    let step = 0;
    for (const recorded of history.batches) {
      if (recorded.step > step) state = openStage(state);
      step = recorded.step;
      state = observe(state, recorded.batch);
      const verdict = verdictOf(state);

      expect(verdict.kind).toBe(recorded.verdict);
      expect(verdict.logE).toBeCloseTo(recorded.logE, 9);
    }

    expect(verdictOf(state)).toMatchObject({
      kind: history.verdict.kind,
      requests: history.verdict.requests,
      errors: history.verdict.errors,
    });
  });
});
