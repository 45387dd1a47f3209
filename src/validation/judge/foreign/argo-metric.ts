import { ConditionError, evaluateCondition } from './argo-condition.ts';

/** One metric of an Argo Rollouts analysis: how a measurement is judged, and what a row of measurements makes of the metric. */
export type ArgoPhase = 'Pending' | 'Running' | 'Successful' | 'Failed' | 'Error' | 'Inconclusive';

/** Field names as in an AnalysisTemplate. Durations in seconds. */
export interface ArgoMetric {
  readonly name: string;
  readonly interval?: number;
  readonly initialDelay?: number;
  readonly count?: number;
  readonly successCondition?: string;
  readonly failureCondition?: string;
  /** Default 0; -1 switches it off. */
  readonly failureLimit?: number;
  readonly inconclusiveLimit?: number;
  readonly consecutiveErrorLimit?: number;
  /** Default 0, which switches it off. */
  readonly consecutiveSuccessLimit?: number;
}

/** What the provider gave: a value, nothing (null), or an error of its own. */
export type Measurement =
  | { readonly value: unknown }
  | { readonly error: string }
  /** A phase already assigned by a provider that decides itself (job, web hook). */
  | { readonly phase: 'Successful' | 'Failed' | 'Inconclusive' };

export interface MeasuredPhase {
  readonly phase: 'Successful' | 'Failed' | 'Inconclusive' | 'Error';
  readonly message?: string;
}

export interface MetricTally {
  readonly count: number;
  readonly successful: number;
  readonly failed: number;
  readonly inconclusive: number;
  readonly error: number;
  readonly consecutiveError: number;
  readonly consecutiveSuccess: number;
}

export const noTally: MetricTally = {
  count: 0,
  successful: 0,
  failed: 0,
  inconclusive: 0,
  error: 0,
  consecutiveError: 0,
  consecutiveSuccess: 0,
};

export function phaseOfMeasurement(metric: ArgoMetric, measurement: Measurement): MeasuredPhase {
  if ('phase' in measurement) return { phase: measurement.phase };
  if ('error' in measurement) return { phase: 'Error', message: measurement.error };
  try {
    return { phase: judged(metric, measurement.value) };
  } catch (cause) {
    if (!(cause instanceof ConditionError)) throw cause;
    return { phase: 'Error', message: cause.message };
  }
}

/** Failure wins over success; neither one true is inconclusive; one condition alone decides both ways. */
function judged(metric: ArgoMetric, result: unknown): MeasuredPhase['phase'] {
  const { successCondition: success = '', failureCondition: failure = '' } = metric;
  const succeeded = success !== '' && holds('successCondition', success, result);
  const failed = failure !== '' && holds('failureCondition', failure, result);
  if (success === '' && failure === '') return 'Successful';
  if (failure === '') return succeeded ? 'Successful' : 'Failed';
  if (failed) return 'Failed';
  return success === '' || succeeded ? 'Successful' : 'Inconclusive';
}

function holds(field: string, condition: string, result: unknown): boolean {
  try {
    return evaluateCondition(condition, result);
  } catch (cause) {
    if (!(cause instanceof ConditionError)) throw cause;
    const empty = result === null || result === undefined || (Array.isArray(result) && result.length === 0);
    const detail = empty ? 'metric result is nil or empty: no data returned from the metric provider' : cause.message;
    throw new ConditionError(`could not evaluate ${field} "${condition}": ${detail}`, { cause });
  }
}

/** Errors count towards nothing but themselves: they are retried. */
export function counted(tally: MetricTally, phase: MeasuredPhase['phase']): MetricTally {
  if (phase === 'Error') {
    return { ...tally, error: tally.error + 1, consecutiveError: tally.consecutiveError + 1, consecutiveSuccess: 0 };
  }
  const next = { ...tally, count: tally.count + 1, consecutiveError: 0, consecutiveSuccess: 0 };
  if (phase === 'Successful') return { ...next, successful: tally.successful + 1, consecutiveSuccess: tally.consecutiveSuccess + 1 };
  if (phase === 'Failed') return { ...next, failed: tally.failed + 1 };
  return { ...next, inconclusive: tally.inconclusive + 1 };
}

export interface Assessment {
  readonly phase: ArgoPhase;
  readonly message?: string;
}

/** The metric's phase after what was counted. `terminating`: the run is being stopped, by hand or by another metric. */
export function assessMetric(metric: ArgoMetric, tally: MetricTally, terminating: boolean): Assessment {
  if (tally.count + tally.error === 0) return { phase: terminating ? 'Successful' : 'Pending' };
  const violation = violated(metric, tally);
  if (violation) return violation;
  const { consecutiveSuccessLimit = 0, failureLimit = 0 } = metric;
  if (consecutiveSuccessLimit > 0 && tally.consecutiveSuccess >= consecutiveSuccessLimit) {
    return { phase: 'Successful', message: `consecutiveSuccessLimit (${consecutiveSuccessLimit}) reached` };
  }
  if (tally.count >= effectiveCount(metric)) {
    if (consecutiveSuccessLimit <= 0) return { phase: 'Successful', message: `count (${effectiveCount(metric)}) reached` };
    const message = `consecutiveSuccessLimit (${consecutiveSuccessLimit}) not reached within count`;
    return { phase: failureLimit >= 0 ? 'Inconclusive' : 'Failed', message };
  }
  return { phase: terminating ? 'Successful' : 'Running' };
}

/** A later rule overrides an earlier one, so an error outranks what failed before it. */
function violated(metric: ArgoMetric, tally: MetricTally): Assessment | undefined {
  const { failureLimit = 0, inconclusiveLimit = 0, consecutiveErrorLimit = 4 } = metric;
  if (tally.consecutiveError > consecutiveErrorLimit) {
    return { phase: 'Error', message: `consecutiveErrors (${tally.consecutiveError}) > consecutiveErrorLimit (${consecutiveErrorLimit})` };
  }
  if (tally.inconclusive > inconclusiveLimit) {
    return { phase: 'Inconclusive', message: `inconclusive (${tally.inconclusive}) > inconclusiveLimit (${inconclusiveLimit})` };
  }
  if (failureLimit >= 0 && tally.failed > failureLimit) {
    return { phase: 'Failed', message: `failed (${tally.failed}) > failureLimit (${failureLimit})` };
  }
  return undefined;
}

/** Without count and interval one measurement is taken; with an interval alone the metric runs until it is stopped. */
export function effectiveCount(metric: ArgoMetric): number {
  if (metric.count) return metric.count;
  return metric.interval === undefined ? 1 : Infinity;
}
