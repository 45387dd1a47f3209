import { observe, openJudge, resolveSettings, type Batch } from '../src/validation/judge/judge.ts';
import { noPooledRank, observePooledRank } from '../src/validation/judge/rules/pooled-rank.ts';

/** A small seeded generator: the same counts in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function countBatches(count: number): readonly Batch[] {
  const random = seeded(1);
  const errors = (requests: number): number => Array.from({ length: requests }, () => random() < 0.005).filter(Boolean).length;
  return Array.from({ length: count }, (_, second) => ({
    second,
    canary: { requests: 10, errors: errors(10) },
    stable: { requests: 190, errors: errors(190) },
    expectedShare: 0.05,
  }));
}

/** Things done in a second, over about a second of doing them. */
function rate(things: number, round: () => void): number {
  round();
  const start = performance.now();
  let rounds = 0;
  while (performance.now() - start < 1000) {
    round();
    rounds += 1;
  }
  return (rounds * things * 1000) / (performance.now() - start);
}

/** A1, D1, the ratio's curve and the share check on batches of a second; B1 on batches of five seconds (50 and 950 samples). */
export async function judgeBench(report: (name: string, value: number) => void): Promise<void> {
  const batches = countBatches(20_000);
  const settings = resolveSettings();
  report(
    'judge.batches_per_s',
    rate(batches.length, () => void batches.reduce(observe, openJudge(settings))),
  );
  const random = seeded(2);
  const latencies = (count: number): number[] => Array.from({ length: count }, () => 50 * Math.exp(random() + random() - random()));
  const pools = Array.from({ length: 100 }, () => ({ canary: latencies(50), stable: latencies(950) }));
  const judged = (): void => void pools.reduce((evidence, { canary, stable }) => observePooledRank(evidence, canary, stable), noPooledRank);
  report('judge.latency_samples_per_s', rate(100 * 1000, judged));
  await Promise.resolve();
}
