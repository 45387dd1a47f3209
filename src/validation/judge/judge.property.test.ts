import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Batch } from './batch.ts';
import { observe, openJudge, openStage, resolveSettings, verdictOf, type JudgeState } from './judge.ts';
import { logPooledRank, noPooledRank, observePooledRank } from './rules/pooled-rank.ts';
import { countUsers, openUserCount } from './user-count.ts';

const method = fc.constantFrom('a1', 'a2', 'a3', 'a4');

const arm = fc
  .integer({ min: 0, max: 50 })
  .chain((requests) => fc.record({ requests: fc.constant(requests), errors: fc.integer({ min: 0, max: Math.min(requests, 6) }) }));

const latencies = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 });

/** Batches of rising seconds with gaps, both arms, latencies and a weight that changes. */
const batches: fc.Arbitrary<readonly Batch[]> = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 40 }),
      canary: arm,
      stable: arm,
      latency: fc.record({ canary: latencies, stable: latencies }),
      expectedShare: fc.constantFrom(0.1, 0.5),
    }),
    { maxLength: 40 },
  )
  .map((parts) => {
    let second = 0;
    return parts.map(({ gap, ...counts }) => {
      second += gap;
      return { second, ...counts };
    });
  });

function judged(state: JudgeState, all: readonly Batch[]): JudgeState {
  return all.reduce(observe, state);
}

const settingsOf = (chosen: 'a1' | 'a2' | 'a3' | 'a4') =>
  resolveSettings({ method: chosen, deadlineSeconds: 600, latency: { quantile: 0.5 }, shareTolerance: 3 });

test('a state that is stored and loaded between any two batches judges as the straight run does', () => {
  fc.assert(
    fc.property(method, batches, fc.nat(40), (chosen, all, cut) => {
      const straight = judged(openJudge(settingsOf(chosen)), all);
      const half = judged(openJudge(settingsOf(chosen)), all.slice(0, cut));
      const resumed = judged(JSON.parse(JSON.stringify(half)) as JudgeState, all.slice(cut));

      expect(resumed).toStrictEqual(straight);
      expect(verdictOf(resumed)).toStrictEqual(verdictOf(straight));
    }),
    { numRuns: 60 },
  );
});

test('a verdict is plain JSON: no NaN and no infinity in it', () => {
  fc.assert(
    fc.property(method, batches, (chosen, all) => {
      const verdict = verdictOf(judged(openJudge(settingsOf(chosen)), all));

      expect(JSON.parse(JSON.stringify(verdict))).toStrictEqual(verdict);
    }),
    { numRuns: 60 },
  );
});

test('batches without requests leave E at 1', () => {
  fc.assert(
    fc.property(method, fc.array(fc.nat(1000), { maxLength: 20 }), (chosen, gaps) => {
      const silent = { requests: 0, errors: 0 };
      let second = 0;
      const all = gaps.map((gap) => ({ second: (second += gap), canary: silent, stable: silent, latency: { canary: [], stable: [] } }));
      const verdict = verdictOf(judged(openJudge(settingsOf(chosen)), all));

      expect(verdict.logE).toBeCloseTo(0, 9);
      expect(verdict.logEPass).toBeCloseTo(0, 9);
      expect(['continue', 'inconclusive']).toContain(verdict.kind);
    }),
  );
});

test('splitting a batch without changing its shares changes no evidence: twice the half is the whole', () => {
  fc.assert(
    fc.property(batches, (all) => {
      const halves = all.flatMap((batch) => [batch, batch]);
      const whole = all.map(({ canary, stable, ...rest }) => ({
        ...rest,
        canary: { requests: 2 * canary.requests, errors: 2 * canary.errors },
        stable: { requests: 2 * stable.requests, errors: 2 * stable.errors },
      }));
      const logE = (parts: readonly Batch[]) => verdictOf(judged(openJudge(resolveSettings()), parts)).logE;

      expect(logE(halves)).toBeCloseTo(logE(whole), 8);
    }),
    { numRuns: 60 },
  );
});

test('the order of the users within a batch changes nothing', () => {
  const requests = fc.array(fc.record({ user: fc.constantFrom('a', 'b', 'c', 'd'), failed: fc.boolean() }), { maxLength: 30 });
  fc.assert(
    fc.property(
      requests.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) => {
        const [one, other] = [countUsers(openUserCount(), 0, list), countUsers(openUserCount(), 0, shuffled)];

        expect(other.arm).toStrictEqual(one.arm);
        expect([...other.count.failed].sort()).toStrictEqual([...one.count.failed].sort());
      },
    ),
  );
});

test('the order of the latencies within a batch changes nothing, and neither does any rising change of scale', () => {
  fc.assert(
    fc.property(latencies, latencies, fc.double({ min: 0.001, max: 1000, noNaN: true }), (canary, stable, factor) => {
      const evidence = logPooledRank(observePooledRank(noPooledRank, canary, stable));

      expect(logPooledRank(observePooledRank(noPooledRank, canary.toReversed(), stable.toReversed()))).toStrictEqual(evidence);
      const scale = (value: number) => Math.exp(value / 40) * factor;
      expect(logPooledRank(observePooledRank(noPooledRank, canary.map(scale), stable.map(scale)))).toStrictEqual(evidence);
    }),
  );
});

test('one more error on the canary never speaks for it', () => {
  fc.assert(
    fc.property(batches, fc.nat(39), (all, at) => {
      const worse = all.map((batch, i) => {
        const { requests, errors } = batch.canary;
        const room = i === at && requests > errors && batch.stable.errors > 0;
        return room
          ? { ...batch, canary: { requests, errors: errors + 1 }, stable: { ...batch.stable, errors: batch.stable.errors - 1 } }
          : batch;
      });
      const [before, after] = [all, worse].map((parts) => verdictOf(judged(openJudge(resolveSettings()), parts)));

      expect((after?.logE ?? 0) - (before?.logE ?? 0)).toBeGreaterThanOrEqual(-1e-9);
      expect((before?.logEPass ?? 0) - (after?.logEPass ?? 0)).toBeGreaterThanOrEqual(-1e-9);
    }),
    { numRuns: 60 },
  );
});

test('a new stage never changes the evidence of harm', () => {
  fc.assert(
    fc.property(method, batches, (chosen, all) => {
      const state = judged(openJudge(settingsOf(chosen)), all);

      expect(verdictOf(openStage(state)).logE).toBe(verdictOf(state).logE);
    }),
    { numRuns: 40 },
  );
});

/** A million batches take seconds; TIDEGATE_NIGHTLY=1 judges them, the ordinary run few. */
const manyBatches = process.env['TIDEGATE_NIGHTLY'] === '1' ? 1_000_000 : 5_000;

test('after very many batches the arithmetic is exact and the state as small as after a thousand', { timeout: 120_000 }, () => {
  const settings = resolveSettings({ method: 'a3' });
  let state = openJudge(settings);
  const quiet: Batch = { second: 0, canary: { requests: 10, errors: 0 }, stable: { requests: 190, errors: 1 } };
  const loud: Batch = { ...quiet, canary: { requests: 10, errors: 1 } };
  const sizes: number[] = [];
  for (let second = 0; second < manyBatches; second += 1) {
    state = observe(state, { ...(second % 25 === 0 ? loud : quiet), second });
    if (second === 1000 || second === manyBatches - 1) sizes.push(JSON.stringify(state).length);
  }

  expect(sizes[1]).toBeLessThan((sizes[0] ?? 0) * 1.2);
  const mixture = state.comparisons.errors?.harm.method === 'a3' ? state.comparisons.errors.harm.mixture : [];
  const load = Math.log(0.05 * 2 + 0.95);
  expect((mixture[2] ?? 0) / ((manyBatches / 25) * (26 * -load + Math.LN2))).toBeCloseTo(1, 10);
  expect(Number.isFinite(verdictOf(state).logE)).toBe(true);
});
