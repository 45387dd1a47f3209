import { splitOf } from '../../src/validation/judge/batch.ts';
import { evidenceOf } from '../../src/validation/judge/evidence.ts';
import {
  observe,
  openJudge,
  resolveSettings,
  verdictOf,
  type JudgeOptions,
  type JudgeState,
  type Verdict,
} from '../../src/validation/judge/judge.ts';
import { bandWidth } from '../../src/validation/judge/rules/confidence-band.ts';
import { observeResidual, openResidualMonitor } from '../../src/validation/judge/rules/conformal.ts';
import { logDirichletMixture } from '../../src/validation/judge/rules/dirichlet-mixture.ts';
import { blame } from '../../src/validation/judge/rules/e-bh.ts';
import { observeErrorDetector, openErrorDetector, type Detector } from '../../src/validation/judge/rules/e-detector.ts';
import { logMeanE, noMeanEvidence, observeMean } from '../../src/validation/judge/rules/mean-monitor.ts';
import { logPooledRank, noPooledRank, observePooledRank } from '../../src/validation/judge/rules/pooled-rank.ts';
import { foresee, isTrained, observeForecast, openForecast } from '../../src/validation/judge/rules/seasonal-forecast.ts';

type Counts = readonly [canaryRequests: number, stableRequests: number, canaryErrors: number, stableErrors: number];

interface ErrorVector {
  readonly batches: readonly Counts[];
  readonly constant: readonly Counts[];
  readonly toleratedRatio: number;
  readonly a1: number;
  readonly a2: number;
  readonly a3: { readonly horizon: number; readonly every: number; readonly logE: number };
  readonly a4: { readonly alpha: number; readonly horizon: number; readonly every: number; readonly path: readonly number[] };
  readonly d1: { readonly limit: number; readonly logE: number };
  readonly d2: { readonly alpha: number; readonly low: number; readonly high: number | null };
  readonly detectors: { readonly shiryaevRoberts: number; readonly cusum: number };
}

/** What test/independent/judge.py prints. */
export interface JudgeVectors {
  readonly errors: readonly ErrorVector[];
  readonly cells: readonly { readonly counts: readonly number[]; readonly shares: readonly number[]; readonly logE: number }[];
  readonly latency: readonly {
    readonly batches: readonly (readonly [canary: readonly number[], stable: readonly number[]])[];
    readonly logE: number;
    readonly logERank: number;
    readonly logETail5: number;
    readonly logETail1: number;
  }[];
  readonly band: readonly { readonly count: number; readonly a: number; readonly width: number }[];
  readonly blame: { readonly logs: readonly number[]; readonly alpha: number; readonly named: readonly number[] };
  readonly forecast: {
    readonly values: readonly number[];
    readonly seasons: number;
    readonly foreseen: readonly number[];
    readonly logM: number;
  };
  readonly mean: { readonly values: readonly number[]; readonly variance: number; readonly prior: number; readonly logE: number };
}

/** What was compared and differs: relative above 1, absolute below. */
class Comparison {
  readonly differences: string[] = [];

  close(what: string, actual: number | null | undefined, expected: number | null | undefined, within = 1e-9): void {
    if (actual === null && expected === null) return;
    const [a, e] = [actual ?? Number.NaN, expected ?? Number.NaN];
    if (!(Math.abs(a - e) / Math.max(Math.abs(e), 1) < within)) this.differences.push(`${what}: ${actual}, expected ${expected}`);
  }
}

/** The states after each batch. */
function states(counts: readonly Counts[], options: JudgeOptions): readonly JudgeState[] {
  let state = openJudge(resolveSettings(options));
  return counts.map(([canaryRequests, stableRequests, canaryErrors, stableErrors], second) => {
    const canary = { requests: canaryRequests, errors: canaryErrors };
    state = observe(state, { second, canary, stable: { requests: stableRequests, errors: stableErrors } });
    return state;
  });
}

function lastVerdict(counts: readonly Counts[], options: JudgeOptions): Verdict {
  const last = states(counts, options).at(-1);
  if (last === undefined) throw new Error('expected a vector with batches, got an empty one');
  return verdictOf(last);
}

function detected(counts: readonly Counts[], detector: Detector, toleratedRatio: number): number {
  let state = openErrorDetector(detector);
  for (const [nc, nb, c, b] of counts) {
    state = observeErrorDetector(state, splitOf({ requests: nc, errors: c }, { requests: nb, errors: b }), toleratedRatio);
  }
  return state.logM ?? Number.NaN;
}

/** A1, A2, A3, A4, D1 and D2 through the judge; the detectors by themselves. Answers with what differs. */
export function errorDifferences({ errors }: JudgeVectors): readonly string[] {
  const compared = new Comparison();
  for (const vector of errors) {
    const { toleratedRatio, a3, a4, d1, d2 } = vector;
    const last = lastVerdict(vector.batches, { toleratedRatio, nonInferiorityRatio: d1.limit, alpha: d2.alpha });
    compared.close('a1', last.logE, vector.a1);
    compared.close('d1', last.logEPass, d1.logE);
    // The curve is read between its knots: 3e-6 in ln E for each error, which is less than this in a bound.
    compared.close('d2 low', last.ratio.low, d2.low, 1e-4);
    compared.close('d2 high', last.ratio.high, d2.high, 1e-4);
    compared.close('a2', lastVerdict(vector.constant, { toleratedRatio, method: 'a2' }).logE, vector.a2);
    const restarts = { toleratedRatio, horizonSeconds: a3.horizon, restartEverySeconds: a3.every };
    compared.close('a3', lastVerdict(vector.batches, { ...restarts, method: 'a3' }).logE, a3.logE);
    const path = states(vector.batches, { ...restarts, method: 'a4', alpha: a4.alpha });
    for (const [t, state] of path.entries()) compared.close(`a4 at ${t}`, evidenceOf(state)[0]?.logE, a4.path[t]);
    compared.close('shiryaev-roberts', detected(vector.batches, 'shiryaev-roberts', toleratedRatio), vector.detectors.shiryaevRoberts);
    compared.close('cusum', detected(vector.batches, 'cusum', toleratedRatio), vector.detectors.cusum);
  }
  return compared.differences;
}

/** B1 and the width of B2. Answers with what differs. */
export function latencyDifferences({ latency, band }: JudgeVectors): readonly string[] {
  const compared = new Comparison();
  for (const vector of latency) {
    const evidence = logPooledRank(vector.batches.reduce((sum, [canary, stable]) => observePooledRank(sum, canary, stable), noPooledRank));
    for (const part of ['logE', 'logERank', 'logETail5', 'logETail1'] as const) compared.close(part, evidence[part], vector[part]);
  }
  for (const { count, a, width } of band) compared.close(`band of ${count}`, bandWidth(count, a), width);
  return compared.differences;
}

/** A2 with more cells, e-BH, the forecast and its residuals, mSPRT. Answers with what differs. */
export function otherDifferences({ cells, blame: blamed, forecast, mean }: JudgeVectors): readonly string[] {
  const compared = new Comparison();
  for (const { counts, shares, logE } of cells) compared.close('cells', logDirichletMixture(counts, shares), logE);
  const named = blame(
    blamed.logs.map((logE, index) => ({ logE, index })),
    blamed.alpha,
  );
  compared.close('blamed', named.length, blamed.named.length);
  for (const [i, { index }] of named.entries()) compared.close('blamed', index, blamed.named[i]);
  let holtWinters = openForecast(forecast.seasons);
  for (const [t, value] of forecast.values.entries()) {
    if (isTrained(holtWinters)) compared.close(`foreseen ${t}`, foresee(holtWinters), forecast.foreseen[t - forecast.seasons]);
    holtWinters = observeForecast(holtWinters, value);
  }
  compared.close('residuals', forecast.values.reduce(observeResidual, openResidualMonitor(forecast.seasons)).logM, forecast.logM);
  compared.close('mSPRT', logMeanE(mean.values.reduce(observeMean, noMeanEvidence), mean.variance, mean.prior), mean.logE);
  return compared.differences;
}
