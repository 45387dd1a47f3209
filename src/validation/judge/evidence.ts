import { logHarm, logPass, pointsAtHarm } from './comparison.ts';
import { logAverageEvidence } from './rules/average-evidence.ts';
import { logPooledRank } from './rules/pooled-rank.ts';
import type { JudgeSettings } from './settings.ts';
import type { JudgeState } from './state.ts';

/** Names of the two things always judged in the list of what fired; a metric has its own, a segment is `segment NAME`. */
export const errorsMetric = 'errors';
export const latencyMetric = 'latency';

/** One metric's evidence of harm, with its share of the capital. */
export interface MetricEvidence {
  readonly name: string;
  readonly logE: number;
  readonly weight: number;
  /** False for a two-sided test that found the canary to be better. */
  readonly harmful: boolean;
}

interface Stake {
  readonly name: string;
  readonly weight: number;
  readonly required: boolean;
}

/** Every comparison of two arms, the errors as a whole first; weights not yet divided by their sum. */
export function stakesOf(settings: JudgeSettings): readonly Stake[] {
  return [
    { name: errorsMetric, weight: settings.errorsWeight, required: true },
    ...settings.metrics,
    ...settings.segments.map((segment) => ({ ...segment, name: `segment ${segment.name}` })),
  ];
}

/** The evidence of each metric. */
export function evidenceOf(state: JudgeState): readonly MetricEvidence[] {
  const { settings, latency } = state;
  const stakes = stakesOf(settings);
  const total = stakes.reduce((sum, stake) => sum + stake.weight, settings.latency?.weight ?? 0);
  const evidence = stakes.flatMap(({ name, weight }) => {
    const comparison = state.comparisons[name];
    if (comparison === undefined) return [];
    return [{ name, logE: logHarm(comparison.harm, settings), weight: weight / total, harmful: pointsAtHarm(comparison.harm) }];
  });
  if (latency === null || settings.latency === undefined) return evidence;
  return [...evidence, { name: latencyMetric, logE: logPooledRank(latency).logE, weight: settings.latency.weight / total, harmful: true }];
}

/** ln E_all of C1. */
export function logEvidence(state: JudgeState): number {
  return logAverageEvidence(evidenceOf(state));
}

/** What carries the evidence over its bar: nothing below it; above it, every metric that holds an even part of the sum or more. */
export function firedBy(evidence: readonly MetricEvidence[], alpha: number): readonly string[] {
  const harmful = evidence.filter((part) => part.harmful);
  const logE = logAverageEvidence(harmful);
  if (!(logE >= -Math.log(alpha))) return [];
  return harmful.filter((part) => part.logE + Math.log(part.weight) >= logE - Math.log(harmful.length)).map((part) => part.name);
}

/** ln E of the pass: the least among the required metrics; null when there is no limit to pass at. */
export function logEvidenceOfPass(state: JudgeState): number | null {
  if (state.settings.nonInferiorityRatio === undefined) return null;
  const required = stakesOf(state.settings).filter((stake) => stake.required);
  return Math.min(
    ...required.map(({ name }) => {
      const comparison = state.comparisons[name];
      return comparison === undefined ? -Infinity : logPass(comparison);
    }),
  );
}
