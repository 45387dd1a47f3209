import type { Reason } from '../../platform/decision.ts';
import { logHarm } from './comparison.ts';
import { evidenceOf, logEvidenceOfPass } from './evidence.ts';
import { logAverageEvidence } from './rules/average-evidence.ts';
import { quantileBounds, type QuantileBounds } from './rules/confidence-band.ts';
import { blame } from './rules/e-bh.ts';
import { ratioBounds, type RatioBounds } from './rules/ratio-sequence.ts';
import type { JudgeState } from './state.ts';

export interface Verdict {
  readonly kind: 'rollback' | 'pass' | 'continue' | 'inconclusive';
  /** ln E of harm: rolled back when it first reaches ln(1/alpha). */
  readonly logE: number;
  /** ln E of the pass, the least of the required metrics; null when it never passes early. */
  readonly logEPass: number | null;
  /** What rolled it back: `errors`, `latency`, `hard-stop`, a metric, `segment NAME`. */
  readonly fired: readonly string[];
  /** How many times as often the canary fails. */
  readonly ratio: RatioBounds;
  readonly requests: { readonly canary: number; readonly stable: number };
  readonly errors: { readonly canary: number; readonly stable: number };
  /** From the first batch to the last, both included. */
  readonly seconds: number;
  readonly rollbackAtSecond: number | null;
  /** In this stage. */
  readonly passAtSecond: number | null;
  /** When several metrics are judged, those that are bad: at most a share alpha of the named ones is innocent (e-BH). */
  readonly blame?: readonly string[];
  /** When a latency quantile was asked for: its bounds on both arms, in milliseconds. */
  readonly quantile?: { readonly quantile: number; readonly canary: QuantileBounds; readonly stable: QuantileBounds };
  readonly reasons: readonly Reason[];
  /** For a release manager. */
  readonly sentence: string;
}

interface Finding {
  readonly kind: Verdict['kind'];
  readonly reason: Reason;
}

function stageSeconds(state: JudgeState): number {
  return state.lastSecond === null ? 0 : state.lastSecond - (state.stageOpenedAt ?? state.lastSecond) + 1;
}

function number(value: number): string {
  return value >= 9.95 ? value.toFixed(0) : value.toFixed(value < 0.095 ? 2 : 1);
}

function level(probability: number): string {
  return `at ${Number((probability * 100).toFixed(2))} %`;
}

/** " (1.8 to 6.1 at 99 %)"; nothing while neither end is known. */
function bounds(ratio: RatioBounds, unit = ''): string {
  const { low, high } = ratio;
  if (low === 0 && high === null) return '';
  const range = high === null ? `at least ${number(low)}` : low === 0 ? `at most ${number(high)}` : `${number(low)} to ${number(high)}`;
  return ` (${range}${unit} ${level(ratio.level)})`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

/** "The canary fails 3.9 times as often as stable (1.8 to 6.1 at 99 %)". */
function comparisonSentence(state: JudgeState, ratio: RatioBounds): string {
  const { canary, control } = state.counted;
  const other = state.settings.control;
  const often = bounds(ratio, ' times as often');
  if (canary.requests + control.requests === 0) return 'No request has been counted yet';
  if (canary.errors + control.errors === 0)
    return `Neither the canary nor ${other} has failed in ${canary.requests} and ${control.requests} requests`;
  if (control.errors === 0)
    return `The canary has failed ${times(canary.errors)} in ${canary.requests} requests, ${other} never in ${control.requests}${often}`;
  if (canary.errors === 0)
    return `The canary has not failed in ${canary.requests} requests, ${other} has ${times(control.errors)} in ${control.requests}${often}`;
  const estimate = ratio.estimate === null ? 'many' : number(ratio.estimate);
  return `The canary fails ${estimate} times as often as ${other}${bounds(ratio)}`;
}

function rollbackReason(state: JudgeState, ratio: RatioBounds): Reason | undefined {
  if (state.rolledBack === null) return undefined;
  const { fired, second } = state.rolledBack;
  const evidence = { second, fired };
  if (fired.includes('errors')) return { code: 'canary.errors', sentence: `${comparisonSentence(state, ratio)}: roll back.`, evidence };
  if (fired.includes('hard-stop')) {
    const sentence = `${state.settings.hardStopFailures} users in a row failed on the canary and not one request succeeded: roll back.`;
    return { code: 'canary.hard-stop', sentence, evidence };
  }
  if (fired.length === 1 && fired[0] === 'latency') {
    return {
      code: 'canary.latency',
      sentence: `The canary answers more slowly than ${state.settings.control} in the same seconds: roll back.`,
      evidence,
    };
  }
  return {
    code: 'canary.metrics',
    sentence: `The canary is worse than ${state.settings.control} in ${fired.join(', ')}: roll back.`,
    evidence,
  };
}

function mismatchReason(state: JudgeState): Reason | undefined {
  const { mismatchedAt, share } = state;
  if (mismatchedAt === null) return undefined;
  const served = share.requests === 0 ? 0 : share.canaryRequests / share.requests;
  const [is, set] = [served, share.expected ?? 0].map((value) => `${(value * 100).toFixed(1)} %`);
  return {
    code: 'canary.share-mismatch',
    sentence: `The canary served ${is} of the requests where ${set} were set: the counts do not compare the two versions.`,
    remedy: 'Check the router weights, sticky sessions and whether every instance reports its counts; then open the stage again.',
    evidence: { second: mismatchedAt, served, expected: share.expected },
  };
}

function passReason(state: JudgeState, ratio: RatioBounds): Reason | undefined {
  const limit = state.settings.nonInferiorityRatio;
  if (state.passedAt === null || limit === undefined) return undefined;
  const sentence = `${comparisonSentence(state, ratio)}, and not ${limit} times as often ${level(1 - state.settings.beta)}: pass.`;
  return { code: 'canary.non-inferior', sentence, evidence: { second: state.passedAt, limit } };
}

function deadlineReason(state: JudgeState, ratio: RatioBounds): Reason | undefined {
  const { deadlineSeconds } = state.settings;
  if (deadlineSeconds === undefined || stageSeconds(state) < deadlineSeconds) return undefined;
  const missing = noDataReason(state);
  if (missing) return missing;
  return {
    code: 'canary.deadline',
    sentence: `${comparisonSentence(state, ratio)}: neither harm nor safety is shown after ${stageSeconds(state)} s.`,
    remedy: 'Give the canary more traffic or more time, or let a person decide.',
  };
}

function noDataReason(state: JudgeState): Reason | undefined {
  const { canary, control } = state.counted;
  if (canary.requests > 0 && control.requests > 0) return undefined;
  const silent = [...(canary.requests === 0 ? ['the canary'] : []), ...(control.requests === 0 ? [state.settings.control] : [])].join(
    ' and ',
  );
  return {
    code: 'canary.no-data',
    sentence: `No request counted on ${silent} in ${stageSeconds(state)} s: nothing to compare.`,
    remedy: 'Check that traffic reaches both versions and that their counts carry the version label.',
    evidence: { canary: canary.requests, [state.settings.control]: control.requests },
  };
}

function find(state: JudgeState, ratio: RatioBounds): Finding {
  // Harm outranks a mismatched share: pausing would leave users on a failing version.
  const rollback = rollbackReason(state, ratio);
  if (rollback) return { kind: 'rollback', reason: rollback };
  const mismatch = mismatchReason(state);
  if (mismatch) return { kind: 'inconclusive', reason: mismatch };
  const pass = passReason(state, ratio);
  if (pass) return { kind: 'pass', reason: pass };
  const deadline = deadlineReason(state, ratio);
  if (deadline) return { kind: 'inconclusive', reason: deadline };
  return { kind: 'continue', reason: { code: 'canary.continue', sentence: `${comparisonSentence(state, ratio)}: keep watching.` } };
}

function freshnessReason(state: JudgeState): Reason | undefined {
  const { freshness, settings } = state;
  if (freshness === null || logHarm(freshness.harm, { settings, weight: 1 }) < -Math.log(settings.alpha)) return undefined;
  return {
    code: 'canary.fresh-baseline',
    sentence: 'A fresh instance of the stable version fails more often than stable as well: a young process fails, whatever its version.',
    remedy: 'Compare the canary with the fresh instance (control: baseline), or give it a longer warm-up.',
  };
}

function quantileOf(state: JudgeState): Pick<Verdict, 'quantile'> {
  const { latencies, settings } = state;
  const quantile = settings.latency?.quantile;
  if (latencies === null || quantile === undefined) return {};
  const [canary, stable] = [latencies.canary, latencies.stable].map((arm) => quantileBounds(arm, quantile, settings.alpha / 2));
  return canary && stable ? { quantile: { quantile, canary, stable } } : {};
}

function render(state: JudgeState, { kind, reason }: Finding, ratio: RatioBounds): Verdict {
  const { canary, control } = state.counted;
  const evidence = evidenceOf(state);
  const freshness = freshnessReason(state);
  return {
    kind,
    logE: logAverageEvidence(evidence),
    logEPass: logEvidenceOfPass(state),
    fired: state.rolledBack?.fired ?? [],
    ratio,
    requests: { canary: canary.requests, stable: control.requests },
    errors: { canary: canary.errors, stable: control.errors },
    seconds: state.lastSecond === null ? 0 : state.lastSecond - (state.openedAt ?? state.lastSecond) + 1,
    rollbackAtSecond: state.rolledBack?.second ?? null,
    passAtSecond: state.passedAt,
    ...(evidence.length > 1
      ? {
          blame: blame(
            evidence.filter((part) => part.harmful),
            state.settings.alpha,
          ).map((part) => part.name),
        }
      : {}),
    ...quantileOf(state),
    reasons: freshness ? [reason, freshness] : [reason],
    sentence: reason.sentence,
  };
}

/** The verdict now. Reads only; what was decided stays decided. */
export function verdictOf(state: JudgeState): Verdict {
  const ratio = ratioBounds(state.curve, state.settings.alpha);
  return render(state, find(state, ratio), ratio);
}

/** The verdict when no more batches will come: an arm that served nothing makes it inconclusive, deadline or not. */
export function verdictAtEnd(state: JudgeState): Verdict {
  const ratio = ratioBounds(state.curve, state.settings.alpha);
  const finding = find(state, ratio);
  const missing = finding.kind === 'continue' ? noDataReason(state) : undefined;
  return render(state, missing ? { kind: 'inconclusive', reason: missing } : finding, ratio);
}
