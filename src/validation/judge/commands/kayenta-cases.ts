import { scoreKayenta, type KayentaScore, type ScoredMetric } from '../foreign/kayenta-score.ts';
import { classifyKayenta, type Direction, type EffectMeasure, type KayentaCase, type KayentaVerdict } from '../foreign/kayenta.ts';
import { described, Fields, given } from './fields.ts';
import type { JsonLine } from './json-lines.ts';
import type { Path } from './json-place.ts';

/** One metric, or a whole canary with `metrics`, `classifier.groupWeights` and `scoreThresholds`. */
export type KayentaAnswer =
  | Pick<KayentaVerdict, 'classification' | 'critical' | 'reason'>
  | (KayentaScore & { readonly results: readonly ScoredMetric[] });

/** Judges one line of cases; undefined after a complaint. */
export function judgeKayentaLine({ value, complain }: JsonLine): KayentaAnswer | undefined {
  let faults = 0;
  const fields = new Fields(value, [], (path: Path, detail: string) => {
    faults += 1;
    complain(path, detail);
  });
  if (fields.has('metrics')) return judgeCanary(fields, () => faults);
  const metric = caseOf(fields);
  if (faults > 0) return undefined;
  const { classification, critical, reason } = classifyKayenta(metric);
  return { classification, critical, reason };
}

function judgeCanary(fields: Fields, faults: () => number): KayentaAnswer | undefined {
  const metrics = fields.objects('metrics').map((metric, index) => {
    const groups = metric.list('groups').map(String);
    return { metric: { name: `metric ${index}`, ...caseOf(metric) }, groups, muted: configurationOf(metric).flag('muted') ?? false };
  });
  const weights = fields.object('classifier').object('groupWeights');
  const groupWeights = given(Object.fromEntries(weights.names.map((name) => [name, weights.number(name)])));
  const thresholds = fields.object('scoreThresholds');
  const pass = thresholds.number('pass');
  const marginal = thresholds.number('marginal');
  if (pass === undefined) thresholds.complain('pass', 'expected the score at which the canary passes, got nothing');
  if (marginal === undefined) thresholds.complain('marginal', 'expected the score below which the canary fails, got nothing');
  if (faults() > 0 || pass === undefined || marginal === undefined) return undefined;
  const results = metrics.map(({ metric, groups, muted }) => {
    const { classification, critical, reason } = classifyKayenta(metric);
    return { name: metric.name, groups, muted, classification, critical, reason };
  });
  return { ...scoreKayenta(results, { groupWeights, pass, marginal }), results };
}

/** Kayenta keeps these under `analysisConfigurations.canary`; a case may have them at its top. */
function configurationOf(fields: Fields): Fields {
  return fields.has('analysisConfigurations') ? fields.object('analysisConfigurations').object('canary') : fields;
}

function caseOf(fields: Fields): KayentaCase {
  const configuration = configurationOf(fields);
  const outliers = configuration.object('outliers');
  const params = fields.object('params');
  return {
    control: points(fields, 'control'),
    experiment: points(fields, 'experiment'),
    ...given({
      name: fields.text('name'),
      direction: known<Direction>(configuration.text('direction'), ['increase', 'decrease', 'either'], 'either'),
      nanStrategy: known(configuration.text('nanStrategy'), ['remove', 'replace'] as const, 'remove'),
      critical: configuration.flag('critical'),
      mustHaveData: configuration.flag('mustHaveData'),
    }),
    outliers: given({
      strategy: known(outliers.text('strategy'), ['keep', 'remove'] as const, 'keep'),
      outlierFactor: outliers.number('outlierFactor', 'a number above 0', (factor) => factor > 0),
    }),
    params: given({
      tolerance: params.number('tolerance', 'a number from 0', (tolerance) => tolerance >= 0),
      confidenceLevel: params.number('confidenceLevel', 'a number between 0 and 1', (level) => level > 0 && level < 1),
      effectSize: effectSizeOf(params.has('effectSize') ? params.object('effectSize') : configuration.object('effectSize')),
    }),
  };
}

function effectSizeOf(fields: Fields): NonNullable<NonNullable<KayentaCase['params']>['effectSize']> {
  return given({
    measure: known<EffectMeasure>(fields.text('measure'), ['meanRatio', 'cles'], 'meanRatio'),
    allowedIncrease: fields.number('allowedIncrease'),
    allowedDecrease: fields.number('allowedDecrease'),
    criticalIncrease: fields.number('criticalIncrease'),
    criticalDecrease: fields.number('criticalDecrease'),
  });
}

/** Kayenta reads a word it does not know as its default. */
function known<T extends string>(word: string | undefined, words: readonly T[], otherwise: T): T | undefined {
  if (word === undefined) return undefined;
  return words.find((candidate) => candidate === word) ?? otherwise;
}

function points(fields: Fields, name: string): readonly number[] {
  if (!fields.has(name)) fields.complain(name, `expected the points of the ${name}, got nothing`);
  return fields.list(name).map((point, index) => {
    if (point === 'NaN') return Number.NaN;
    if (typeof point === 'number') return point;
    fields.complainAt(name, index, `expected a number or "NaN", got ${described(point)}`);
    return Number.NaN;
  });
}
