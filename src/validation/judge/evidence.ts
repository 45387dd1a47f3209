import { logHarm, logPass, pointsAtHarm, type Terms } from './comparison.ts';
import { logAverageEvidence } from './rules/average-evidence.ts';
import { isWithinMargin } from './rules/confidence-band.ts';
import { logPooledRank } from './rules/pooled-rank.ts';
import type { JudgeSettings } from './settings.ts';
import type { JudgeState } from './state.ts';

/** Names of the two things always judged in the list of what fired; a metric has its own, a segment is `segment NAME`. */
export const errorsMetric = 'errors';
const latencyMetric = 'latency';

/** One metric's evidence of harm, with its share of the capital. */
export interface MetricEvidence {
  readonly name: string;
  readonly logE: number;
  readonly weight: number;
  /** False for a two-sided test that found the canary to be better. */
  readonly harmful: boolean;
}

/** A comparison of two arms: its name, how it is judged, and whether the pass waits for it. */
export interface Stake extends Terms {
  readonly name: string;
  readonly required: boolean;
}

function capital(settings: JudgeSettings): number {
  const named = [...settings.metrics, ...settings.segments].reduce((sum, { weight }) => sum + weight, 0);
  return settings.errorsWeight + (settings.latency?.weight ?? 0) + named;
}

/** Every comparison of two arms, the errors as a whole first, with weights that add up to 1 (latency's included). */
export function stakesOf(settings: JudgeSettings): readonly Stake[] {
  const all = capital(settings);
  return [
    { name: errorsMetric, settings, weight: settings.errorsWeight / all, required: true },
    ...settings.metrics.map(({ name, weight, required }) => ({ name, settings, weight: weight / all, required })),
    ...settings.segments.map(({ name, weight, required }) => ({ name: `segment ${name}`, settings, weight: weight / all, required })),
  ];
}

/** The evidence of each metric. */
export function evidenceOf(state: JudgeState): readonly MetricEvidence[] {
  const { settings, latency } = state;
  const evidence = stakesOf(settings).flatMap((stake) => {
    const harm = state.comparisons[stake.name]?.harm;
    if (harm === undefined) return [];
    return [{ name: stake.name, logE: logHarm(harm, stake), weight: stake.weight, harmful: pointsAtHarm(harm) }];
  });
  if (latency === null || settings.latency === undefined) return evidence;
  const weight = settings.latency.weight / capital(settings);
  return [...evidence, { name: latencyMetric, logE: logPooledRank(latency).logE, weight, harmful: true }];
}

/** Rounding may leave a sum of logarithms this far below a bar that it stands on. */
const rounding = 1e-12;

/** What carries the evidence over its bar: nothing below it; above it, every metric that holds an even part of the sum or more. */
export function firedBy(evidence: readonly MetricEvidence[], alpha: number): readonly string[] {
  const harmful = evidence.filter((part) => part.harmful);
  const logE = logAverageEvidence(harmful);
  if (!(logE >= -Math.log(alpha) - rounding)) return [];
  return harmful.filter((part) => part.logE + Math.log(part.weight) >= logE - Math.log(harmful.length)).map((part) => part.name);
}

/** ln E of the pass: the least among the required metrics; null when there is no limit to pass at. */
export function logEvidenceOfPass(state: JudgeState): number | null {
  if (state.settings.nonInferiorityRatio === undefined) return null;
  let least = Infinity;
  for (const { name, required } of stakesOf(state.settings)) {
    const comparison = state.comparisons[name];
    if (required && comparison !== undefined) least = Math.min(least, logPass(comparison));
  }
  return least;
}

/** D1 for every required metric and, when a quantile was named, D2 for latency. */
export function isShownHarmless(state: JudgeState): boolean {
  const { settings, latencies } = state;
  const logE = logEvidenceOfPass(state);
  if (logE === null || logE < -Math.log(settings.beta)) return false;
  const { quantile, margin } = settings.latency ?? {};
  if (quantile === undefined || margin === undefined) return true;
  return latencies !== null && isWithinMargin(latencies, { quantile, margin, beta: settings.beta });
}
