import { at, logMeanExp, logSumExp } from '../log-space.ts';

/**
 * B1, latency by ranks in the pooled batch. N = Nc + Nb samples, midrank r_i, score s_i = (r_i - 1/2)/N - 1/2:
 *
 *     shift, l in {0.3 … 4.8}:   L_l += l Σ_canary s_i - Nc ln[(1/N) Σ_all exp(l s_i)]
 *     tail, q = 5 % and 1 %, x in {1.5 … 8}:   L_x += k ln x - Nc ln(1 + p (x - 1))
 *
 * with k canary samples whose rank lies above (1 - q) N and p the pooled share above. E = E_rank/2 + E_5%/4 + E_1%/4.
 * Exact under random assignment whatever the distribution (the canary's samples are drawn from the pool without replacement,
 * Hoeffding 1963, theorem 4), the same on any scale of time, and blind to the time of day: only ranks of one batch are compared.
 * The construction is ours from known parts; anytime-valid rank tests by betting are in the literature.
 */
const shiftRates = [0.3, 0.6, 1.2, 2.4, 4.8] as const;
const tailRatios = [1.5, 2, 4, 8] as const;
const tails = [0.05, 0.01] as const;

const logTailRatios = tailRatios.map(Math.log);

export interface PooledRank {
  /** L_l for each of `shiftRates`. */
  readonly shift: readonly number[];
  /** L_x for each of `tailRatios`, slowest 5 % and slowest 1 %. */
  readonly tail5: readonly number[];
  readonly tail1: readonly number[];
}

export interface LatencyEvidence {
  readonly logE: number;
  readonly logERank: number;
  readonly logETail5: number;
  readonly logETail1: number;
}

export const noPooledRank: PooledRank = { shift: shiftRates.map(() => 0), tail5: tailRatios.map(() => 0), tail1: tailRatios.map(() => 0) };

/** What the rules need of one pooled batch. */
interface Scores {
  readonly canaries: number;
  /** Σ_canary s_i. */
  readonly canarySum: number;
  /** Σ_all exp(l s_i) for each l. */
  readonly pooled: readonly number[];
  /** Canary samples and all samples above each tail's rank. */
  readonly above: readonly { readonly canary: number; readonly all: number }[];
}

/** Walks both sorted arms at once, one group of equal values at a time: no index array, one pass. */
function scoresOf(canary: Float64Array, stable: Float64Array): Scores {
  const count = canary.length + stable.length;
  const pooled = new Float64Array(shiftRates.length);
  const canaryAbove = tails.map(() => 0);
  const allAbove = tails.map(() => 0);
  const bars = tails.map((q) => (1 - q) * count);
  let canarySum = 0;
  let [i, j] = [0, 0];
  while (i + j < count) {
    const value = Math.min(canary[i] ?? Infinity, stable[j] ?? Infinity);
    const [fromCanary, from] = [i, i + j];
    while (canary[i] === value) i += 1;
    while (stable[j] === value) j += 1;
    const [inCanary, inAll] = [i - fromCanary, i + j - from];
    const midrank = from + (inAll + 1) / 2;
    const score = (midrank - 0.5) / count - 0.5;
    canarySum += inCanary * score;
    // The rates double from one to the next, so each exponential is the square of the one before.
    let power = Math.exp(shiftRates[0] * score);
    for (let k = 0; k < pooled.length; k += 1) {
      pooled[k] = (pooled[k] ?? 0) + inAll * power;
      power *= power;
    }
    for (const [t, bar] of bars.entries()) {
      if (midrank <= bar) continue;
      canaryAbove[t] = at(canaryAbove, t) + inCanary;
      allAbove[t] = at(allAbove, t) + inAll;
    }
  }
  return {
    canaries: canary.length,
    canarySum,
    pooled: [...pooled],
    above: tails.map((_, t) => ({ canary: at(canaryAbove, t), all: at(allAbove, t) })),
  };
}

function observeTail(logs: readonly number[], scores: Scores, tail: number, count: number): readonly number[] {
  const above = scores.above[tail];
  if (above === undefined || above.all === 0) return logs;
  const share = above.all / count;
  return tailRatios.map((x, i) => at(logs, i) + above.canary * at(logTailRatios, i) - scores.canaries * Math.log1p(share * (x - 1)));
}

/** Adds one batch. An arm without samples changes nothing. The order of the samples does not matter; they are not kept. */
export function observePooledRank(evidence: PooledRank, canary: readonly number[], stable: readonly number[]): PooledRank {
  if (canary.length === 0 || stable.length === 0) return evidence;
  const scores = scoresOf(Float64Array.from(canary).sort(), Float64Array.from(stable).sort());
  const count = canary.length + stable.length;
  return {
    shift: shiftRates.map(
      (l, i) => at(evidence.shift, i) + l * scores.canarySum - scores.canaries * Math.log(at(scores.pooled, i) / count),
    ),
    tail5: observeTail(evidence.tail5, scores, 0, count),
    tail1: observeTail(evidence.tail1, scores, 1, count),
  };
}

/** ln E of the whole and of its three parts. */
export function logPooledRank(evidence: PooledRank): LatencyEvidence {
  const logERank = logMeanExp(evidence.shift);
  const logETail5 = logMeanExp(evidence.tail5);
  const logETail1 = logMeanExp(evidence.tail1);
  const logE = logSumExp([logERank - Math.log(2), logETail5 - Math.log(4), logETail1 - Math.log(4)]);
  return { logE, logERank, logETail5, logETail1 };
}
