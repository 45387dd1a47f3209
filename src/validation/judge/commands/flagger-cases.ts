import { judgeFlagger, type FlaggerAnalysis, type FlaggerCheck, type FlaggerMetric, type FlaggerVerdict } from '../foreign/flagger.ts';
import { described, Fields, given } from './fields.ts';
import type { JsonLine } from './json-lines.ts';
import type { Path } from './json-place.ts';

/**
 * One line: a Canary resource (`spec.analysis`) or its `analysis` alone, and `checks`, one per interval:
 * `{"request-success-rate": 99.2, "request-duration": 310}` or `{"values": {...}, "webhooks": {"load-test": true}}`.
 * Undefined after a complaint.
 */
export function judgeFlaggerLine({ value, complain }: JsonLine): FlaggerVerdict | undefined {
  let faults = 0;
  const fields = new Fields(value, [], (path: Path, detail: string) => {
    faults += 1;
    complain(path, detail);
  });
  const holder = fields.has('spec') ? fields.object('spec') : fields;
  const name = holder.has('canaryAnalysis') ? 'canaryAnalysis' : 'analysis';
  if (!holder.has(name)) holder.complain(name, 'expected the analysis of a Canary resource, got nothing');
  const analysis = analysisOf(holder.object(name));
  if (!fields.has('checks')) fields.complain('checks', 'expected the values of each check, got nothing');
  const checks = fields.objects('checks').map(checkOf);
  return faults > 0 ? undefined : judgeFlagger(analysis, checks);
}

function analysisOf(fields: Fields): FlaggerAnalysis {
  const steps = fields.list('stepWeights');
  const stepWeights = steps.filter(
    (step): step is number => typeof step === 'number' && Number.isInteger(step) && step >= 0 && step <= 100,
  );
  if (stepWeights.length < steps.length) fields.complain('stepWeights', 'expected whole weights from 0 to 100');
  return {
    metrics: fields.objects('metrics').map(metricOf),
    stepWeights,
    ...given({
      interval: fields.seconds('interval'),
      threshold: fields.count('threshold', 0),
      maxWeight: fields.count('maxWeight', 0),
      stepWeight: fields.count('stepWeight', 0),
      iterations: fields.count('iterations', 0),
      mirror: fields.flag('mirror'),
    }),
  };
}

function metricOf(fields: Fields): FlaggerMetric {
  const name = fields.text('name');
  if (name === undefined) fields.complain('name', 'expected the name of the metric, got nothing');
  const range = fields.object('thresholdRange');
  const thresholdRange = given({ min: range.number('min'), max: range.number('max') });
  return {
    name: name ?? '',
    ...given({ threshold: fields.number('threshold'), query: fields.text('query'), templateRef: fields.raw('templateRef') }),
    ...(fields.has('thresholdRange') ? { thresholdRange } : {}),
  };
}

function checkOf(fields: Fields): FlaggerCheck {
  const wrapped = fields.has('values') || fields.has('webhooks');
  const source = wrapped ? fields.object('values') : fields;
  const hooks = fields.object('webhooks');
  const webhooks = wrapped ? Object.fromEntries(hooks.names.map((hook) => [hook, hooks.flag(hook) ?? false])) : {};
  return { values: Object.fromEntries(source.names.map((name) => [name, measured(source, name)])), webhooks };
}

function measured(fields: Fields, name: string): number | null {
  const value = fields.raw(name);
  if (value === null || value === 'NaN') return null;
  if (typeof value === 'number') return value;
  fields.complain(name, `expected a number, null or "NaN", got ${described(value)}`);
  return null;
}
