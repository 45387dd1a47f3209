/**
 * Flagger's canary analysis replayed on recorded check values: thresholds, the cumulative count of failed checks, steps of
 * weight or iterations, rollback. Field names as in a Canary resource.
 */
export interface FlaggerMetric {
  readonly name: string;
  readonly thresholdRange?: { readonly min?: number; readonly max?: number };
  /** Deprecated in Flagger: the minimum of request-success-rate, the maximum of everything else. Default 0. */
  readonly threshold?: number;
  /** A custom metric needs one of these; without, Flagger has no value to look at. */
  readonly templateRef?: unknown;
  readonly query?: string;
}

export interface FlaggerAnalysis {
  /** Seconds between checks. Default 60, never below 10. */
  readonly interval?: number;
  /** Failed checks that roll back. Default 1. */
  readonly threshold?: number;
  readonly maxWeight?: number;
  readonly stepWeight?: number;
  readonly stepWeights?: readonly number[];
  /** Above 0: A/B (with `match`) or blue/green instead of steps of weight. */
  readonly iterations?: number;
  readonly mirror?: boolean;
  readonly metrics: readonly FlaggerMetric[];
}

export interface FlaggerCheck {
  /** Percent for request-success-rate, milliseconds for request-duration. Absent, null or NaN: the query found no value. */
  readonly values: Readonly<Record<string, number | null | undefined>>;
  /** Rollout web hooks by name: false is a failed check. */
  readonly webhooks?: Readonly<Record<string, boolean>>;
}

export interface FlaggerStep {
  readonly second: number;
  readonly ok: boolean;
  readonly weight: number;
  readonly iterations: number;
  readonly failedChecks: number;
  readonly reason?: string;
}

export interface FlaggerVerdict {
  readonly phase: 'Progressing' | 'Promoting' | 'Failed';
  readonly failedChecks: number;
  readonly weight: number;
  readonly iterations: number;
  /** The check that reached the threshold or the end of the analysis. Flagger moves the traffic back one interval later. */
  readonly decidedAtSecond: number | null;
  readonly reason: string;
  readonly checks: readonly FlaggerStep[];
}

const TOTAL_WEIGHT = 100;
const RATE = 'request-success-rate';
const DURATION = 'request-duration';

interface Progress {
  readonly weight: number;
  readonly iterations: number;
  readonly mirrored: boolean;
  readonly failedChecks: number;
}

/**
 * The first tick only starts the analysis: no traffic is there yet, so it checks nothing and takes the first step. Check i of
 * the input is the tick after it, at (i + 1) intervals.
 */
export function judgeFlagger(analysis: FlaggerAnalysis, checks: readonly FlaggerCheck[]): FlaggerVerdict {
  const interval = Math.max(10, analysis.interval ?? 60);
  const threshold = analysis.threshold !== undefined && analysis.threshold > 0 ? analysis.threshold : 1;
  const steps: FlaggerStep[] = [];
  let progress = advanced({ weight: 0, iterations: 0, mirrored: false, failedChecks: 0 }, analysis);
  for (const [index, check] of checks.entries()) {
    const second = (index + 1) * interval;
    const reason = faultOf(analysis, check);
    const finished = reason === undefined && isThrough(progress, analysis);
    progress = reason === undefined ? advanced(progress, analysis) : { ...progress, failedChecks: progress.failedChecks + 1 };
    const { weight, iterations, failedChecks } = progress;
    steps.push({ second, ok: reason === undefined, weight, iterations, failedChecks, ...(reason === undefined ? {} : { reason }) });
    if (failedChecks >= threshold) return verdict('Failed', second, `failed checks threshold reached ${failedChecks}`);
    if (finished) return verdict('Promoting', second, 'analysis complete');
  }
  return verdict('Progressing', null, 'analysis still running');

  function verdict(phase: FlaggerVerdict['phase'], decidedAtSecond: number | null, reason: string): FlaggerVerdict {
    const { weight, iterations, failedChecks } = progress;
    return { phase, failedChecks, weight: phase === 'Failed' ? 0 : weight, iterations, decidedAtSecond, reason, checks: steps };
  }
}

/** Nothing is left to step through: the passing check that finds this promotes. */
function isThrough({ weight, iterations }: Progress, analysis: FlaggerAnalysis): boolean {
  if ((analysis.iterations ?? 0) > 0) return iterations >= (analysis.iterations ?? 0);
  return weight >= maxWeight(analysis) && nextStep(analysis, weight) > 0;
}

function advanced(progress: Progress, analysis: FlaggerAnalysis): Progress {
  const { weight, iterations, mirrored } = progress;
  if ((analysis.iterations ?? 0) > 0) return { ...progress, iterations: Math.min(iterations + 1, analysis.iterations ?? 0) };
  const step = nextStep(analysis, weight);
  if (step <= 0 || weight >= maxWeight(analysis)) return progress;
  if (analysis.mirror === true && weight === 0 && !mirrored) return { ...progress, mirrored: true };
  return { ...progress, mirrored: false, weight: Math.min(weight + step, TOTAL_WEIGHT) };
}

function maxWeight({ stepWeights = [], maxWeight: limit = 0 }: FlaggerAnalysis): number {
  const last = stepWeights.at(-1);
  if (last !== undefined) return Math.min(TOTAL_WEIGHT, last);
  return limit > 0 ? limit : TOTAL_WEIGHT;
}

function nextStep({ stepWeight = 0, stepWeights = [] }: FlaggerAnalysis, weight: number): number {
  const [first] = stepWeights;
  if (stepWeight > 0 || first === undefined) return stepWeight;
  const left = TOTAL_WEIGHT - weight;
  if (left === 0) return 1;
  if (weight === 0) return Math.min(left, first);
  const next = stepWeights[stepWeights.indexOf(weight) + 1];
  return stepWeights.includes(weight) && next !== undefined ? Math.min(left, next - weight) : left;
}

/** The first violation in Flagger's order: web hooks, built-in metrics and inline queries, then templates. */
function faultOf(analysis: FlaggerAnalysis, check: FlaggerCheck): string | undefined {
  const hook = Object.entries(check.webhooks ?? {}).find(([, passed]) => !passed);
  if (hook) return `external check ${hook[0]} failed`;
  for (const metric of analysis.metrics) {
    const fault = isAnsweredDirectly(metric) ? violation(metric, check.values[metric.name]) : undefined;
    if (fault !== undefined) return fault;
  }
  for (const metric of analysis.metrics) {
    const templated = metric.templateRef !== undefined && metric.templateRef !== null;
    if (!templated && !isAnsweredDirectly(metric)) return `no usable metrics template and query were configured for ${metric.name}`;
    const fault = templated ? violation(metric, check.values[metric.name], true) : undefined;
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function isAnsweredDirectly({ name, query = '' }: FlaggerMetric): boolean {
  return name === RATE || name === DURATION || query !== '';
}

function violation(metric: FlaggerMetric, raw: number | null | undefined, template = false): string | undefined {
  if (raw === null || raw === undefined || Number.isNaN(raw)) return `no values found for metric ${metric.name}`;
  // Flagger holds durations and their limits as whole milliseconds.
  const whole = metric.name === DURATION && !template ? Math.trunc : (value: number) => value;
  const value = whole(raw);
  const { min, max } = limitsOf(metric, template);
  if (min !== undefined && value < whole(min)) return `${metric.name} ${value} < ${whole(min)}`;
  if (max !== undefined && value > whole(max)) return `${metric.name} ${value} > ${whole(max)}`;
  return undefined;
}

function limitsOf(
  { name, thresholdRange, threshold = 0 }: FlaggerMetric,
  template: boolean,
): { readonly min?: number; readonly max?: number } {
  if (thresholdRange) return thresholdRange;
  return name === RATE && !template ? { min: threshold } : { max: threshold };
}
