import type { KayentaClassification } from './kayenta.ts';

/** Kayenta's score of a whole canary: groups of metrics, weights, and the two thresholds the user gives. */
export interface ScoredMetric {
  readonly name: string;
  readonly groups: readonly string[];
  readonly classification: KayentaClassification;
  readonly critical: boolean;
  readonly muted?: boolean;
  readonly reason: string;
}

export interface KayentaScore {
  readonly score: number;
  readonly classification: 'Pass' | 'Marginal' | 'Fail';
  readonly reason: string;
  readonly groups: readonly { readonly name: string; readonly score: number; readonly noData: boolean }[];
}

export interface ScoreRules {
  readonly groupWeights: Readonly<Record<string, number>>;
  readonly pass: number;
  readonly marginal: number;
}

const NO_DATA_LIMIT_PERCENT = 50;

export function scoreKayenta(metrics: readonly ScoredMetric[], rules: ScoreRules): KayentaScore {
  const heard = metrics.filter((metric) => metric.muted !== true);
  const groups = groupScores(heard);
  const failure = heard.find((metric) => metric.critical && metric.classification !== 'Pass');
  if (failure) return judged(0, `Canary Failed: ${failure.reason}`);
  const silent = heard.filter((metric) => metric.classification === 'Nodata').length;
  if ((silent / heard.length) * 100 >= NO_DATA_LIMIT_PERCENT) {
    return judged(0, `Canary Failed: ${NO_DATA_LIMIT_PERCENT}% or more metrics returned NODATA`);
  }
  return judged(summary(groups, rules.groupWeights), '');

  function judged(score: number, reason: string): KayentaScore {
    const classification = score >= rules.pass ? 'Pass' : score >= rules.marginal ? 'Marginal' : 'Fail';
    return { score, classification, reason, groups };
  }
}

function groupScores(metrics: readonly ScoredMetric[]): KayentaScore['groups'] {
  const names = [...new Set(metrics.flatMap((metric) => metric.groups))];
  return names.map((name) => {
    const members = metrics.filter((metric) => metric.groups.includes(name));
    const counted = members.filter(({ classification }) => classification !== 'Nodata' && classification !== 'Error');
    const passed = counted.filter(({ classification }) => classification === 'Pass').length;
    return { name, noData: counted.length === 0, score: counted.length === 0 ? 0 : (passed / counted.length) * 100 };
  });
}

/** Groups without a weight share what the weights leave of 100; a group without data counts as 100. */
function summary(groups: KayentaScore['groups'], weights: Readonly<Record<string, number>>): number {
  const given = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const unweighted = groups.filter(({ name }) => weights[name] === undefined).length;
  const total = groups.reduce((sum, group) => {
    const weight = weights[group.name] ?? (100 - given) / unweighted;
    return sum + (group.noData ? 100 : group.score) * (weight / 100);
  }, 0);
  return roundedHalfUp(total);
}

/** Two decimals of the shortest decimal form, halves away from zero: 87.125 gives 87.13. */
function roundedHalfUp(value: number): number {
  const hundredths = Math.round(Number(`${Math.abs(value).toFixed(12)}e2`));
  return (Math.sign(value) * hundredths) / 100;
}
