import { assessMetric, counted, effectiveCount, noTally, phaseOfMeasurement } from './argo-metric.ts';
import type { ArgoMetric, ArgoPhase, MeasuredPhase, Measurement, MetricTally } from './argo-metric.ts';

/**
 * An Argo Rollouts AnalysisRun replayed on recorded measurements: when each is taken, what the metric becomes, when one
 * metric's failure stops the others, and the phase of the run.
 */
export interface ArgoRun {
  readonly metrics: readonly ArgoMetric[];
  /** By metric name, in the order they were taken. */
  readonly measurements: Readonly<Record<string, readonly Measurement[]>>;
  /** Patterns of metric names whose result does not count. `*` is all. */
  readonly dryRun?: readonly string[];
  /** The run is stopped from outside at this second, as a background analysis is when the rollout ends. */
  readonly terminateAt?: number;
}

export interface MetricResult extends MetricTally {
  readonly name: string;
  readonly phase: ArgoPhase;
  readonly dryRun: boolean;
  readonly message?: string;
  readonly measurements: readonly (MeasuredPhase & { readonly second: number })[];
}

export interface ArgoVerdict {
  readonly phase: ArgoPhase;
  readonly message: string;
  /** What the rollout does with it: Failed and Error abort, Inconclusive pauses, Successful goes on, Running waits. */
  readonly action: 'abort' | 'pause' | 'advance' | 'wait';
  readonly decidedAtSecond: number | null;
  readonly metricResults: readonly MetricResult[];
}

const ERROR_RETRY_SECONDS = 10;
/** Best to worst. */
const ORDER: readonly ArgoPhase[] = ['Successful', 'Running', 'Pending', 'Inconclusive', 'Error', 'Failed'];
const ACTIONS: Readonly<Record<ArgoPhase, ArgoVerdict['action']>> = {
  Failed: 'abort',
  Error: 'abort',
  Inconclusive: 'pause',
  Successful: 'advance',
  Running: 'wait',
  Pending: 'wait',
};

/** Grows as the run is replayed; a run of a week with a measurement a second is one of these. */
interface Track {
  readonly metric: ArgoMetric;
  readonly dryRun: boolean;
  readonly recorded: readonly Measurement[];
  readonly taken: (MeasuredPhase & { readonly second: number })[];
  tally: MetricTally;
  phase: ArgoPhase;
  message: string | undefined;
  /** When the next measurement is due; Infinity when none is. */
  due: number;
}

export function judgeArgo(run: ArgoRun): ArgoVerdict {
  const tracks = run.metrics.map((metric) => started(metric, run));
  let now = 0;
  for (let second = nextSecond(tracks, run, now); second < Infinity; second = nextSecond(tracks, run, now)) {
    now = second;
    const terminating = (run.terminateAt !== undefined && second >= run.terminateAt) || tracks.some(stopsOthers);
    for (const track of tracks) {
      if (!terminating) measure(track, second);
      assess(track, terminating);
    }
  }
  const phase = runPhase(tracks);
  return {
    phase,
    message: messageOf(tracks, phase),
    action: ACTIONS[phase],
    decidedAtSecond: isFinal(phase) ? now : null,
    metricResults: tracks.map(resultOf),
  };
}

function started(metric: ArgoMetric, run: ArgoRun): Track {
  const dryRun = (run.dryRun ?? []).some((pattern) => pattern === '*' || pattern === metric.name);
  const recorded = run.measurements[metric.name] ?? [];
  return { metric, dryRun, recorded, taken: [], tally: noTally, phase: 'Pending', message: undefined, due: metric.initialDelay ?? 0 };
}

/** The next moment something happens: a measurement falls due, the run is stopped, or a failure has to reach the others. */
function nextSecond(tracks: readonly Track[], run: ArgoRun, now: number): number {
  const open = tracks.filter((track) => !isFinal(track.phase));
  if (open.length === 0) return Infinity;
  if (tracks.some(stopsOthers)) return now;
  const due = Math.min(...open.filter((track) => track.taken.length < track.recorded.length).map((track) => track.due));
  return Math.min(due, run.terminateAt ?? Infinity);
}

function measure(track: Track, second: number): void {
  const measurement = track.recorded[track.taken.length];
  if (isFinal(track.phase) || measurement === undefined || track.due > second) return;
  const judged = phaseOfMeasurement(track.metric, measurement);
  track.taken.push({ ...judged, second });
  track.tally = counted(track.tally, judged.phase);
  const wait = judged.phase === 'Error' ? ERROR_RETRY_SECONDS : (track.metric.interval ?? ERROR_RETRY_SECONDS);
  track.due = track.tally.count >= effectiveCount(track.metric) ? Infinity : second + wait;
}

function assess(track: Track, terminating: boolean): void {
  if (isFinal(track.phase)) return;
  const { phase, message } = assessMetric(track.metric, track.tally, terminating);
  track.phase = phase;
  track.message = message;
}

function stopsOthers(track: Track): boolean {
  return !track.dryRun && isFinal(track.phase) && track.phase !== 'Successful';
}

function isFinal(phase: ArgoPhase): boolean {
  return phase !== 'Pending' && phase !== 'Running';
}

/** The worst of all metrics that count, once every metric, dry run or not, is complete. */
function runPhase(tracks: readonly Track[]): ArgoPhase {
  if (!tracks.every((track) => isFinal(track.phase))) return 'Running';
  const phases = tracks.filter((track) => !track.dryRun).map((track) => track.phase);
  return ORDER[Math.max(0, ...phases.map((phase) => ORDER.indexOf(phase)))] ?? 'Successful';
}

function messageOf(tracks: readonly Track[], phase: ArgoPhase): string {
  const culprit = tracks.find((track) => !track.dryRun && track.phase === phase);
  if (!isFinal(phase) || phase === 'Successful' || !culprit) return '';
  const cause = culprit.taken.at(-1)?.message;
  const text = `Metric "${culprit.metric.name}" assessed ${phase} due to ${culprit.message ?? phase}`;
  return cause === undefined ? text : `${text}: "Error Message: ${cause}"`;
}

function resultOf(track: Track): MetricResult {
  const { metric, phase, dryRun, tally, taken, message } = track;
  return { name: metric.name, phase, dryRun, ...(message === undefined ? {} : { message }), ...tally, measurements: taken };
}
