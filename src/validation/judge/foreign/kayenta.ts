import { commonLanguageEffect, shiftBetween, type Shift } from './kayenta-rank-sum.ts';
import { transformed, type NanStrategy, type OutlierStrategy } from './kayenta-transform.ts';
import { normalQuantile } from './normal-quantile.ts';

/**
 * Kayenta's metric classification (NetflixACAJudge-v1.0), so that a team's canary configuration gives here the verdict
 * it gives there. A test on a fixed sample: repeating it while data comes in is not corrected for, there or here.
 */
export type KayentaClassification = 'Pass' | 'High' | 'Low' | 'Nodata' | 'NodataFailMetric' | 'Error';
export type Direction = 'increase' | 'decrease' | 'either';
export type EffectMeasure = 'meanRatio' | 'cles';

export interface KayentaParams {
  readonly tolerance?: number;
  readonly confidenceLevel?: number;
  readonly effectSize?: {
    readonly measure?: EffectMeasure;
    readonly allowedIncrease?: number;
    readonly allowedDecrease?: number;
    readonly criticalIncrease?: number;
    readonly criticalDecrease?: number;
  };
}

export interface KayentaCase {
  /** Used in reasons. Default "metric". */
  readonly name?: string;
  /** NaN is a missing point. */
  readonly control: readonly number[];
  readonly experiment: readonly number[];
  readonly direction?: Direction;
  readonly nanStrategy?: NanStrategy;
  readonly outliers?: { readonly strategy?: OutlierStrategy; readonly outlierFactor?: number };
  readonly critical?: boolean;
  readonly mustHaveData?: boolean;
  readonly params?: KayentaParams;
}

export interface KayentaVerdict {
  readonly classification: KayentaClassification;
  readonly critical: boolean;
  readonly reason: string;
  /** The shift and effect behind the classification; absent when nothing was compared. */
  readonly evidence?: Shift & { readonly effect: number | null; readonly deviation: number | null };
}

interface Question {
  readonly name: string;
  readonly experiment: readonly number[];
  readonly control: readonly number[];
  readonly direction: Direction;
  readonly critical: boolean;
  readonly params: Required<Omit<KayentaParams, 'effectSize'>> & {
    readonly effectSize: Required<NonNullable<KayentaParams['effectSize']>>;
  };
}

export function classifyKayenta(input: KayentaCase): KayentaVerdict {
  const transform = {
    nanStrategy: input.nanStrategy ?? 'remove',
    outliers: input.outliers?.strategy ?? 'keep',
    outlierFactor: input.outliers?.outlierFactor ?? 3,
  } as const;
  const question: Question = {
    name: input.name ?? 'metric',
    experiment: transformed(input.experiment, transform),
    control: transformed(input.control, transform),
    direction: input.direction ?? 'either',
    critical: input.critical ?? false,
    params: resolved(input.params ?? {}),
  };
  if (question.experiment.length === 0 || question.control.length === 0) {
    return withoutData(question, transform.nanStrategy, input.mustHaveData ?? false);
  }
  const trivial = sameEverywhere(question);
  return trivial ?? compare(question);
}

/** Kayenta's defaults: tolerance 0.25, confidence 0.98, effect thresholds 1.0 (mean ratio) or 0.5 (CLES). */
function resolved(params: KayentaParams): Question['params'] {
  const measure = params.effectSize?.measure ?? 'meanRatio';
  const neutral = measure === 'cles' ? 0.5 : 1;
  const thresholds = { allowedIncrease: neutral, allowedDecrease: neutral, criticalIncrease: neutral, criticalDecrease: neutral };
  return {
    tolerance: params.tolerance ?? 0.25,
    confidenceLevel: params.confidenceLevel ?? 0.98,
    effectSize: { ...thresholds, ...params.effectSize, measure },
  };
}

function withoutData(question: Question, nanStrategy: NanStrategy, mustHaveData: boolean): KayentaVerdict {
  if (nanStrategy === 'replace')
    return { classification: 'Pass', critical: false, reason: 'No points on one side, and missing counts as 0' };
  const reason = `Missing data for ${question.name}`;
  if (mustHaveData && !question.critical) return { classification: 'NodataFailMetric', critical: false, reason };
  return { classification: 'Nodata', critical: question.critical, reason };
}

function sameEverywhere({ experiment, control }: Question): KayentaVerdict | undefined {
  const left = experiment.toSorted((a, b) => a - b);
  const right = control.toSorted((a, b) => a - b);
  if (left.length === right.length && left.every((value, index) => value === right[index])) {
    return { classification: 'Pass', critical: false, reason: 'The Canary and Baseline data are identical' };
  }
  if (new Set([...left, ...right]).size > 1) return undefined;
  return { classification: 'Pass', critical: false, reason: 'Every observation has the same value' };
}

function compare(question: Question): KayentaVerdict {
  const { experiment, control } = apart(question);
  const { tolerance, confidenceLevel, effectSize } = question.params;
  let shift: Shift;
  try {
    shift = shiftBetween(experiment, control, confidenceLevel);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    return { classification: 'Error', critical: false, reason: 'Metric Classification Failed' };
  }
  const deviation = meanRatio(experiment, control);
  const effect = effectSize.measure === 'cles' ? commonLanguageEffect(experiment, control) : deviation;
  const evidence = { ...shift, effect: finiteOrNull(effect), deviation: finiteOrNull(deviation) };
  const bound = tolerance * Math.abs(shift.estimate);
  if (question.direction !== 'decrease' && shift.low > bound && !(effect < effectSize.allowedIncrease)) {
    return { ...named(question, 'High', !(effect < effectSize.criticalIncrease)), evidence };
  }
  if (question.direction !== 'increase' && shift.high < -bound && !(effect > effectSize.allowedDecrease)) {
    return { ...named(question, 'Low', !(effect > effectSize.criticalDecrease)), evidence };
  }
  return { classification: 'Pass', critical: false, reason: 'No shift beyond tolerance and allowed effect', evidence };
}

function named(question: Question, classification: 'High' | 'Low', beyondCritical: boolean): KayentaVerdict {
  const critical = question.critical && beyondCritical;
  const reason = critical
    ? `The metric ${question.name} was classified as ${classification} (Critical)`
    : `${question.name} was classified as ${classification}`;
  return { classification, critical, reason };
}

/**
 * Two constant samples would tie at every shift, so Kayenta adds Gaussian noise of 1e-5 of the value. Here the noise is
 * the normal scores of the sample size: the same spread, and the same verdict each time.
 */
function apart({ experiment, control }: Question): { experiment: readonly number[]; control: readonly number[] } {
  if (new Set(experiment).size > 1 || new Set(control).size > 1) return { experiment, control };
  return { experiment: jittered(experiment), control: jittered(control) };
}

function jittered(values: readonly number[]): readonly number[] {
  return values.map((value, index) => value + normalQuantile((index + 0.5) / values.length) * value * 1e-5);
}

/** NaN when a mean is 0: Kayenta then asks for no effect size at all. */
function meanRatio(experiment: readonly number[], control: readonly number[]): number {
  const above = mean(experiment);
  const below = mean(control);
  return above === 0 || below === 0 ? Number.NaN : above / below;
}

function mean(values: readonly number[]): number {
  const rough = values.reduce((sum, value) => sum + value, 0) / values.length;
  return rough + values.reduce((sum, value) => sum + (value - rough), 0) / values.length;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
