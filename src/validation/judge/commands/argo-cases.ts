import { treeOf, ConditionError, UnsupportedCondition } from '../foreign/argo-condition.ts';
import type { ArgoMetric, Measurement } from '../foreign/argo-metric.ts';
import { judgeArgo, type ArgoVerdict } from '../foreign/argo.ts';
import { Fields, given, isRecord } from './fields.ts';
import type { JsonLine } from './json-lines.ts';
import type { Path } from './json-place.ts';

/**
 * One line: an AnalysisRun resource (`spec.metrics`, `status.metricResults[].measurements`), or `{"metrics": [...],
 * "measurements": {"name": [...]}}`, or `{"metric": {...}, "measurements": [...]}`. Undefined after a complaint.
 */
export function judgeArgoLine({ value, complain }: JsonLine): ArgoVerdict | undefined {
  let faults = 0;
  const fields = new Fields(value, [], (path: Path, detail: string) => {
    faults += 1;
    complain(path, detail);
  });
  const spec = fields.has('spec') ? fields.object('spec') : fields;
  const values = argumentsOf(spec);
  const metrics = spec.has('metric')
    ? [metricOf(spec.object('metric'), values)]
    : spec.objects('metrics').map((metric) => metricOf(metric, values));
  if (metrics.length === 0) spec.complain('metrics', 'expected at least one metric, got none');
  for (const [index, { name }] of metrics.entries()) {
    if (metrics.findIndex((other) => other.name === name) < index) spec.complain('metrics', `expected each name once, got ${name} again`);
  }
  const measurements = measurementsOf(fields, metrics);
  const dryRun = spec.objects('dryRun').map((entry) => entry.text('metricName') ?? '');
  const terminateAt = terminateAtOf(fields, spec, metrics, measurements);
  if (faults > 0) return undefined;
  return judgeArgo({ metrics, measurements, dryRun, ...given({ terminateAt }) });
}

/** `spec.terminate` says that the run was stopped, not when: after all that was measured. */
function terminateAtOf(
  fields: Fields,
  spec: Fields,
  metrics: readonly ArgoMetric[],
  measurements: Readonly<Record<string, readonly Measurement[]>>,
): number | undefined {
  const at = fields.seconds('terminateAt');
  if (at !== undefined || spec.flag('terminate') !== true) return at;
  const ends = metrics.map(
    ({ name, interval = 10, initialDelay = 0 }) => initialDelay + Math.max(interval, 10) * ((measurements[name]?.length ?? 0) + 1),
  );
  return Math.max(0, ...ends);
}

function argumentsOf(spec: Fields): ReadonlyMap<string, string> {
  return new Map(spec.objects('args').map((argument) => [argument.text('name') ?? '', argument.text('value') ?? '']));
}

function metricOf(fields: Fields, values: ReadonlyMap<string, string>): ArgoMetric {
  const metric = {
    name: fields.text('name') ?? 'metric',
    ...given({
      interval: fields.seconds('interval'),
      initialDelay: fields.seconds('initialDelay'),
      count: fields.count('count', 0),
      successCondition: conditionOf(fields, 'successCondition', values),
      failureCondition: conditionOf(fields, 'failureCondition', values),
      failureLimit: fields.count('failureLimit', -1),
      inconclusiveLimit: fields.count('inconclusiveLimit', 0),
      consecutiveErrorLimit: fields.count('consecutiveErrorLimit', 0),
      consecutiveSuccessLimit: fields.count('consecutiveSuccessLimit', 0),
    }),
  };
  for (const [field, detail] of contradictions(metric)) fields.complain(field, detail);
  return metric;
}

/** What Argo refuses when the resource is applied. */
function contradictions(metric: ArgoMetric): readonly (readonly [field: string, detail: string])[] {
  const { count = 0, failureLimit = 0, consecutiveSuccessLimit = 0, inconclusiveLimit = 0, interval } = metric;
  const needed = Math.max(failureLimit, 0) + consecutiveSuccessLimit;
  const found: (readonly [string, string])[] = [];
  if (failureLimit === -1 && consecutiveSuccessLimit === 0)
    found.push(['failureLimit', 'expected failureLimit or consecutiveSuccessLimit, got both switched off']);
  if (count > 0 && count < needed)
    found.push(['count', `expected at least failureLimit + consecutiveSuccessLimit (${needed}), got ${count}`]);
  if (count > 0 && count < inconclusiveLimit)
    found.push(['count', `expected at least inconclusiveLimit (${inconclusiveLimit}), got ${count}`]);
  if (count > 1 && interval === undefined) found.push(['interval', 'expected an interval with a count above 1, got nothing']);
  return found;
}

/** The condition with its arguments filled in. A faulty one is left to Argo's rule (the measurement is an Error); one we cannot run is refused. */
function conditionOf(fields: Fields, name: string, values: ReadonlyMap<string, string>): string | undefined {
  const condition = fields
    .text(name)
    ?.replaceAll(/\{\{\s*args\.([\w.-]+)\s*\}\}/g, (placeholder, argument: string) => values.get(argument) ?? placeholder);
  if (condition === undefined) return undefined;
  if (condition.includes('{{')) fields.complain(name, `expected every argument to have a value, got ${condition}`);
  try {
    if (condition !== '') treeOf(condition);
  } catch (cause) {
    if (cause instanceof UnsupportedCondition) fields.complain(name, `expected a condition this judge can evaluate: ${cause.message}`);
    else if (!(cause instanceof ConditionError)) throw cause;
  }
  return condition;
}

function measurementsOf(fields: Fields, metrics: readonly ArgoMetric[]): Readonly<Record<string, readonly Measurement[]>> {
  const single = metrics[0]?.name ?? 'metric';
  if (Array.isArray(fields.raw('measurements'))) return { [single]: fields.list('measurements').map(measurementOf) };
  if (fields.has('measurements')) {
    const byName = fields.object('measurements');
    for (const name of byName.names) {
      if (!metrics.some((metric) => metric.name === name)) byName.complain(name, `expected the name of a metric, got ${name}`);
    }
    return Object.fromEntries(byName.names.map((name) => [name, byName.list(name).map(measurementOf)]));
  }
  const results = fields.object('status').objects('metricResults');
  if (results.length === 0) fields.complain('measurements', 'expected measurements or status.metricResults, got nothing');
  return Object.fromEntries(results.map((result) => [result.text('name') ?? '', result.list('measurements').map(measurementOf)]));
}

const MEASUREMENT_FIELDS = new Set(['value', 'phase', 'message', 'error', 'startedAt', 'finishedAt', 'resumeAt', 'metadata']);

/** A bare value, or an object shaped like a Measurement of the resource; any other object is the value itself. */
function measurementOf(item: unknown): Measurement {
  const isMeasurement = isRecord(item) && Object.keys(item).length > 0 && Object.keys(item).every((key) => MEASUREMENT_FIELDS.has(key));
  if (!isMeasurement) return { value: special(item) };
  const { value, phase, error, message } = item;
  if (error !== undefined || phase === 'Error') return { error: text(error ?? message) };
  if (value !== undefined) return { value: typeof value === 'string' ? printed(value) : special(value) };
  if (phase === 'Successful' || phase === 'Failed' || phase === 'Inconclusive') return { phase };
  return { value: null };
}

function text(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : 'the metric provider failed';
}

const SPECIAL: Readonly<Record<string, number>> = { NaN: Number.NaN, '+Inf': Infinity, Inf: Infinity, '-Inf': -Infinity };

/** JSON has no NaN and no infinity; Argo prints them as these words. */
function special(value: unknown): unknown {
  if (typeof value === 'string' && Object.hasOwn(SPECIAL, value)) return SPECIAL[value];
  return Array.isArray(value) ? value.map(special) : value;
}

/** The value of a resource is text: a number, a list as Prometheus gives it (`[0.99,NaN]`), JSON, or just text. */
function printed(value: string): unknown {
  try {
    return special(JSON.parse(value.replaceAll(/(?<=^|[[,\s])([+-]?Inf|NaN)(?=$|[\],\s])/g, '"$1"')) as unknown);
  } catch {
    return value;
  }
}
