import { describe, expect, test } from 'vitest';
import { splitOf, type Batch, type Comparison } from './batch.ts';
import { observe, openJudge, resolveSettings, type JudgeOptions } from './judge.ts';
import { isSlower } from './rules/confidence-band.ts';
import { isAlarm, observeErrorDetector, openErrorDetector, type Detector } from './rules/e-detector.ts';
import { addLatencies, noLatencies } from './rules/latency-histogram.ts';
import { logPooledRank, noPooledRank, observePooledRank } from './rules/pooled-rank.ts';
import { ratioBounds } from './rules/ratio-sequence.ts';

/**
 * Ville's bound, measured: canaries that are just as H0 says, and how many of them each rule accuses. TIDEGATE_NIGHTLY=1 runs
 * 10,000 a rule; the ordinary run is small and only catches what is badly wrong.
 */
const nightly = process.env['TIDEGATE_NIGHTLY'] === '1';
const runs = nightly ? 10_000 : 120;
const seconds = nightly ? 600 : 200;
const timeout = nightly ? 1_800_000 : 30_000;

/** Mulberry32: 32 bits of state are plenty for counts, and a seed names a run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Failures among `requests` by skipping over the successes. */
function failures(random: () => number, requests: number, rate: number): number {
  let failed = 0;
  for (let i = Math.log(1 - random()) / Math.log1p(-rate); i < requests; i += 1 + Math.floor(Math.log(1 - random()) / Math.log1p(-rate)))
    failed += 1;
  return failed;
}

function pair(random: () => number, rate: number, ratio = 1): Comparison {
  const canary = 5 + Math.floor(random() * 11);
  return {
    canary: { requests: canary, errors: failures(random, canary, rate * ratio) },
    stable: { requests: 200 - canary, errors: failures(random, 200 - canary, rate) },
  };
}

/** The share of runs in which `accuses` says yes. */
function accused(accuses: (random: () => number) => boolean): number {
  let count = 0;
  for (let run = 0; run < runs; run += 1) if (accuses(seeded(run * 7919 + 1))) count += 1;
  return count / runs;
}

/** Three standard deviations over the bound: 0.13 % of right rules would miss it. */
function withChance(bound: number): number {
  return bound + 3 * Math.sqrt((bound * (1 - bound)) / runs);
}

function isAccused(options: JudgeOptions, batchAt: (second: number) => Batch, horizon = seconds): 'rollback' | 'pass' | undefined {
  let state = openJudge(resolveSettings(options));
  for (let second = 0; second < horizon; second += 1) {
    state = observe(state, batchAt(second));
    if (state.rolledBack) return 'rollback';
    if (state.passedAt !== null) return 'pass';
  }
  return undefined;
}

const alpha = 0.05;

describe.each(['a1', 'a2', 'a3', 'a4'] as const)('%s', (method) => {
  const options: JudgeOptions = { method, alpha, nonInferiorityRatio: null, horizonSeconds: seconds };

  test('accuses at most alpha of the canaries that are no worse', { timeout }, () => {
    const share = accused((random) => isAccused(options, (second) => ({ second, ...pair(random, 0.005) })) === 'rollback');

    expect(share).toBeLessThanOrEqual(withChance(alpha));
  });

  test('accuses at most alpha in an incident that both arms share', { timeout }, () => {
    const share = accused(
      (random) => isAccused(options, (second) => ({ second, ...pair(random, second % 200 < 60 ? 0.03 : 0.003) })) === 'rollback',
    );

    expect(share).toBeLessThanOrEqual(withChance(alpha));
  });

  test('accuses at most alpha at exactly the tolerated ratio', { timeout }, () => {
    const tolerant = { ...options, toleratedRatio: 1.5 };
    const share = accused((random) => isAccused(tolerant, (second) => ({ second, ...pair(random, 0.005, 1.5) })) === 'rollback');

    expect(share).toBeLessThanOrEqual(withChance(alpha));
  });
});

test('twenty metrics together accuse at most alpha', { timeout }, () => {
  const names = Array.from({ length: 20 }, (_, i) => `m${i}`);
  const share = accused((random) => {
    const metricsNow = () => Object.fromEntries(names.map((name) => [name, pair(random, 0.005)]));
    const options = { alpha, nonInferiorityRatio: null, metrics: names.map((name) => ({ name })) };
    return isAccused(options, (second) => ({ second, ...pair(random, 0.005), metrics: metricsNow() }), seconds / 4) === 'rollback';
  });

  expect(share).toBeLessThanOrEqual(withChance(alpha));
});

test('a canary at exactly the limit passes with probability beta at most', { timeout }, () => {
  const share = accused((random) => isAccused({ alpha: 1e-9, beta: 0.05 }, (second) => ({ second, ...pair(random, 0.005, 2) })) === 'pass');

  expect(share).toBeLessThanOrEqual(withChance(0.05));
});

test('the share that is set is called mismatched with probability shareAlpha at most', { timeout }, () => {
  const share = accused((random) => {
    let state = openJudge(resolveSettings({ shareTolerance: 1, shareAlpha: 0.05 }));
    for (let second = 0; second < seconds; second += 1) {
      const canary = failures(random, 200, 0.05);
      const counts = { canary: { requests: canary, errors: 0 }, stable: { requests: 200 - canary, errors: 0 } };
      state = observe(state, { second, ...counts, expectedShare: 0.05 });
    }
    return state.mismatchedAt !== null;
  });

  expect(share).toBeLessThanOrEqual(withChance(0.05));
});

test('the confidence sequence misses the true ratio at any time with probability alpha at most', { timeout }, () => {
  const share = accused((random) => {
    let state = openJudge(resolveSettings({ alpha, nonInferiorityRatio: null }));
    let missed = false;
    for (let second = 0; second < seconds && !missed; second += 1) {
      state = observe(state, { second, ...pair(random, 0.02, 1.7) });
      const { low, high } = second % 10 === 0 ? ratioBounds(state.curve, alpha) : { low: 0, high: null };
      missed = low > 1.7 || (high !== null && high < 1.7);
    }
    return missed;
  });

  expect(share).toBeLessThanOrEqual(withChance(alpha));
});

function latencies(random: () => number, count: number): readonly number[] {
  return Array.from({ length: count }, () => Math.round(50 * Math.exp(random() + random() - 2 * random())));
}

test('B1 accuses at most alpha while both arms slow down and recover together', { timeout }, () => {
  const share = accused((random) => {
    let evidence = noPooledRank;
    for (let second = 0; second < seconds / 10; second += 1) {
      const both = second % 20 < 5 ? 2 : 1;
      const slowed = (count: number) => latencies(random, count).map((value) => value * both);
      evidence = observePooledRank(evidence, slowed(10), slowed(90));
      if (logPooledRank(evidence).logE >= -Math.log(alpha)) return true;
    }
    return false;
  });

  expect(share).toBeLessThanOrEqual(withChance(alpha));
});

test('B2 calls a canary slower that is not with probability alpha at most', { timeout }, () => {
  const share = accused((random) => {
    let [canary, stable] = [noLatencies, noLatencies];
    for (let second = 0; second < seconds / 10; second += 1) {
      canary = addLatencies(canary, latencies(random, 10));
      stable = addLatencies(stable, latencies(random, 90));
      if (isSlower(canary, stable, alpha)) return true;
    }
    return false;
  });

  expect(share).toBeLessThanOrEqual(withChance(alpha));
});

test.each(['shiryaev-roberts', 'cusum'] as const)(
  'false alarms of %s are at least 1/alpha batches apart on average',
  { timeout },
  (detector: Detector) => {
    const random = seeded(4);
    const onceIn = 500;
    const alarms = nightly ? 500 : 40;
    let batches = 0;
    for (let found = 0; found < alarms; found += 1) {
      let state = openErrorDetector(detector);
      while (!isAlarm(state, 1 / onceIn)) {
        const { canary, stable } = pair(random, 0.02);
        state = observeErrorDetector(state, splitOf(canary, stable), 1);
        batches += 1;
      }
    }

    // The mean of that many nearly exponential times wanders by its square root.
    expect(batches / alarms).toBeGreaterThan(onceIn * (1 - 3 / Math.sqrt(alarms)));
  },
);
