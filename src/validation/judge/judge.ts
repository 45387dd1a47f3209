import { checkBatch, splitOf, type ArmBatch, type Batch } from './batch.ts';
import { observeComparison, openComparison, openComparisonStage, type Arms, type ComparisonState, type Occasion } from './comparison.ts';
import { errorsMetric, evidenceOf, firedBy, isShownHarmless, stakesOf } from './evidence.ts';
import { isStopped, noHardStop, observeHardStop } from './rules/hard-stop.ts';
import { addLatencies, noLatencies } from './rules/latency-histogram.ts';
import { noPooledRank, observePooledRank } from './rules/pooled-rank.ts';
import { noRatioCurve, observeRatioCurve } from './rules/ratio-sequence.ts';
import { logServedShare, noServedShare, observeServedShare } from './rules/served-share.ts';
import type { JudgeSettings } from './settings.ts';
import type { JudgeState } from './state.ts';

export type { ArmBatch, Batch } from './batch.ts';
export type { JudgeState } from './state.ts';
export { resolveSettings, type JudgeOptions, type JudgeSettings, type Method } from './settings.ts';
export { verdictAtEnd, verdictOf, type Verdict } from './verdict.ts';

const nothing: ArmBatch = { requests: 0, errors: 0 };

/** A canary nobody has seen yet: every E-value is 1. */
export function openJudge(settings: JudgeSettings): JudgeState {
  return {
    settings,
    openedAt: null,
    stageOpenedAt: null,
    lastSecond: null,
    lastServedAt: { canary: null, control: null },
    counted: { canary: nothing, control: nothing },
    comparisons: Object.fromEntries(stakesOf(settings).map(({ name }) => [name, openComparison(settings.method)])),
    curve: noRatioCurve,
    freshness: null,
    latency: settings.latency === undefined ? null : noPooledRank,
    latencies: settings.latency?.quantile === undefined ? null : { canary: noLatencies, stable: noLatencies },
    share: noServedShare,
    hardStop: noHardStop,
    rolledBack: null,
    passedAt: null,
    mismatchedAt: null,
  };
}

/** The next step of the canary: the pass, the share check and the clock of the stage start fresh, the evidence of harm goes on. */
export function openStage(state: JudgeState): JudgeState {
  const comparisons = Object.entries(state.comparisons).map(([name, comparison]) => [name, openComparisonStage(comparison)] as const);
  return {
    ...state,
    stageOpenedAt: null,
    comparisons: Object.fromEntries(comparisons),
    share: noServedShare,
    passedAt: null,
    mismatchedAt: null,
  };
}

/**
 * One batch in, the next state out. Batches come in order of time; a second may come in parts when the weights changed in it.
 * Throws `judge.batch` for counts that cannot be.
 */
export function observe(state: JudgeState, batch: Batch): JudgeState {
  checkBatch(batch, state.lastSecond);
  const seen = tick(state, batch);
  return decide(isWarm(seen) ? count(seen, batch) : seen);
}

function controlOf(settings: JudgeSettings, batch: Batch): ArmBatch {
  return settings.control === 'stable' ? batch.stable : (batch.baseline ?? nothing);
}

/** What is watched even while the canary warms up: the clock, who served at all, and the hard stop. */
function tick(state: JudgeState, batch: Batch): JudgeState {
  const { second } = batch;
  const control = controlOf(state.settings, batch);
  return {
    ...state,
    openedAt: state.openedAt ?? second,
    stageOpenedAt: state.stageOpenedAt ?? second,
    lastSecond: second,
    lastServedAt: {
      canary: batch.canary.requests > 0 ? second : state.lastServedAt.canary,
      control: control.requests > 0 ? second : state.lastServedAt.control,
    },
    hardStop: observeHardStop(state.hardStop, batch.canary, control),
  };
}

/** Seconds from the first batch to the last; 0 within the first second. */
function elapsed(state: JudgeState): number {
  return (state.lastSecond ?? 0) - (state.openedAt ?? 0);
}

function isWarm(state: JudgeState): boolean {
  return elapsed(state) >= state.settings.warmUpSeconds;
}

function add(total: ArmBatch, arm: ArmBatch): ArmBatch {
  return { requests: total.requests + arm.requests, errors: total.errors + arm.errors };
}

/** Every rule sees the batch. */
function count(state: JudgeState, batch: Batch): JudgeState {
  const { settings } = state;
  const control = controlOf(settings, batch);
  const { latency } = batch;
  return {
    ...state,
    counted: { canary: add(state.counted.canary, batch.canary), control: add(state.counted.control, control) },
    comparisons: compare(state, batch, control),
    curve: observeRatioCurve(state.curve, splitOf(batch.canary, control)),
    freshness: compareFreshness(state, batch),
    ...(latency ? compareLatencies(state, latency) : {}),
    share: checkShare(state, batch),
  };
}

function occasionOf(state: JudgeState, batch: Batch): Occasion {
  return { elapsedSeconds: elapsed(state), expectedShare: batch.expectedShare ?? null };
}

function compare(state: JudgeState, batch: Batch, control: ArmBatch): Readonly<Record<string, ComparisonState>> {
  const occasion = occasionOf(state, batch);
  const next: Record<string, ComparisonState> = {};
  for (const stake of stakesOf(state.settings)) {
    const comparison = state.comparisons[stake.name] ?? openComparison(state.settings.method);
    const arms = stake.name === errorsMetric ? { canary: batch.canary, control } : armsOf(batch, stake.name);
    next[stake.name] = arms === undefined ? comparison : observeComparison(comparison, arms, stake, occasion);
  }
  return next;
}

function armsOf(batch: Batch, name: string): Arms | undefined {
  const pair = batch.metrics?.[name] ?? batch.segments?.[name.replace(/^segment /, '')];
  return pair && { canary: pair.canary, control: pair.stable };
}

/** The fresh instance of stable in the canary's place. It moves no verdict; it tells a young process from a bad version. */
function compareFreshness(state: JudgeState, batch: Batch): ComparisonState | null {
  const { settings, freshness } = state;
  if (batch.baseline === undefined) return freshness;
  const arms = { canary: batch.baseline, control: batch.stable };
  return observeComparison(freshness ?? openComparison('a1'), arms, { settings, weight: 1 }, occasionOf(state, batch));
}

function compareLatencies(state: JudgeState, { canary, stable }: NonNullable<Batch['latency']>): Pick<JudgeState, 'latency' | 'latencies'> {
  const { latency, latencies } = state;
  return {
    latency: latency && observePooledRank(latency, canary, stable),
    latencies: latencies && { canary: addLatencies(latencies.canary, canary), stable: addLatencies(latencies.stable, stable) },
  };
}

function checkShare(state: JudgeState, batch: Batch): JudgeState['share'] {
  if (batch.expectedShare === undefined) return state.share;
  const all = batch.canary.requests + batch.stable.requests;
  return observeServedShare(
    state.share,
    { expected: batch.expectedShare, canary: batch.canary.requests, all },
    state.settings.shareTolerance,
  );
}

/** D3: what is decided once is written down with its second. What was rolled back or cannot be compared passes no more. */
function decide(state: JudgeState): JudgeState {
  const { settings, lastSecond: second } = state;
  if (second === null) return state;
  const rolledBack = state.rolledBack ?? rollBack(state, second);
  const mismatched = logServedShare(state.share, settings.shareTolerance) >= -Math.log(settings.shareAlpha);
  const mismatchedAt = state.mismatchedAt ?? (mismatched ? second : null);
  const passes = state.passedAt === null && rolledBack === null && mismatchedAt === null && mayPass(state, second);
  return { ...state, rolledBack, mismatchedAt, passedAt: passes ? second : state.passedAt };
}

function rollBack(state: JudgeState, second: number): JudgeState['rolledBack'] {
  const fired = firedBy(evidenceOf(state), state.settings.alpha);
  const stopped = isStopped(state.hardStop, state.settings.hardStopFailures) ? ['hard-stop'] : [];
  const all = [...fired, ...stopped];
  return all.length === 0 ? null : { second, fired: all };
}

/** Long enough, not too late, both arms alive, and every required metric shown to be no worse than the limit. */
function mayPass(state: JudgeState, second: number): boolean {
  const { settings, lastServedAt } = state;
  const inStage = second - (state.stageOpenedAt ?? second) + 1;
  if (inStage < settings.minimumSeconds || inStage > (settings.deadlineSeconds ?? Infinity)) return false;
  const silent = Math.min(lastServedAt.canary ?? -Infinity, lastServedAt.control ?? -Infinity) <= second - settings.silenceSeconds;
  return !silent && isShownHarmless(state);
}
