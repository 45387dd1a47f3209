import { logMeanExp } from '../log-space.ts';
import { worseRatios } from '../rules/error-mixture.ts';
import { betterRatios } from '../rules/non-inferiority.ts';

/** What traffic a canary gets and what it is asked to notice. */
export interface PowerQuestion {
  readonly rps: number;
  /** Of the requests that go to the canary. */
  readonly share: number;
  /** Error share of the healthy version. */
  readonly base: number;
  /** How many times the errors are to be noticed. */
  readonly detect: number;
  readonly alpha: number;
  readonly rho0: number;
  readonly ni: number;
  readonly beta: number;
}

export interface PowerAnswer extends PowerQuestion {
  readonly canFire: boolean;
  /** Expected seconds until such a canary is rolled back; null when its evidence never grows. */
  readonly seconds: number | null;
  /** The least harm expected to be noticed within an hour; null when not even every request failing is. */
  readonly smallestRatioInAnHour: number | null;
  /** The least share with which `detect` is expected to be noticed within an hour; null when no share will do. */
  readonly shareForAnHour: number | null;
  /** Expected seconds until a good canary passes early. */
  readonly passSeconds: number | null;
  readonly sentence: string;
}

const HOUR = 3600;

/**
 * From the drift of the evidence: with share th1 of the errors on the canary, an error adds on average
 * th1 ln x + ln[(w rho0 + 1 - w) / (w rho0 x + 1 - w)] to L_x of A1. It follows the mean path and so leaves out that a path
 * which wanders reaches the bar sooner or later than it: 52 s where simulation has a mean of 54 (200 requests/s, 5 %, 0.5 %, 4 times).
 */
export function powerOf(question: PowerQuestion): PowerAnswer {
  const seconds = secondsToNotice(question, question.detect);
  const passSeconds = secondsToPass(question);
  const smallest = smallestRatio(question);
  const share = smallestShare(question);
  const sentence = sentenceOf(question, { seconds, smallest, share });
  return {
    ...question,
    canFire: seconds < Infinity,
    seconds: orNull(seconds),
    smallestRatioInAnHour: smallest,
    shareForAnHour: share,
    passSeconds: orNull(passSeconds),
    sentence,
  };
}

/** Infinity when no alternative gains. */
function secondsToNotice({ rps, share, base, alpha, rho0 }: PowerQuestion, detect: number): number {
  const ratio = Math.min(detect, 1 / base);
  const errorsPerSecond = rps * base * (share * ratio + 1 - share);
  const onCanary = (share * ratio) / (share * ratio + 1 - share);
  const gains = worseRatios.map((x) => onCanary * Math.log(x) + Math.log1p(share * (rho0 - 1)) - Math.log1p(share * (rho0 * x - 1)));
  return waiting(Math.log(1 / alpha), errorsPerSecond, gains);
}

function secondsToPass({ rps, share, base, ni, beta }: PowerQuestion): number {
  const gains = betterRatios.map((y) => share * Math.log(y) + Math.log1p(share * (ni - 1)) - Math.log1p(share * (ni * y - 1)));
  return waiting(Math.log(1 / beta), rps * base, gains);
}

/** When the mean path of the mixture, ln mean exp(t gain), has won what is needed: convex in t, so there is one such t. */
function waiting(needed: number, errorsPerSecond: number, gains: readonly number[]): number {
  const drift = errorsPerSecond * Math.max(...gains);
  if (!(drift > 1e-12)) return Infinity;
  const won = (seconds: number): boolean => logMeanExp(gains.map((gain) => seconds * errorsPerSecond * gain)) >= needed;
  // By then the best alternative has won it alone.
  const enough = (needed + Math.log(gains.length)) / drift;
  // Decisions fall once a second.
  return Math.max(1, Math.ceil(leastWhere(won, 0, enough) - 1e-9));
}

function smallestRatio(question: PowerQuestion): number | null {
  const worst = 1 / question.base;
  const noticed = (ratio: number): boolean => secondsToNotice(question, ratio) <= HOUR;
  if (!(worst < Infinity) || !noticed(worst)) return null;
  return rounded(leastWhere(noticed, question.rho0, worst));
}

/** More share helps up to a point, after which stable is too thin to compare with: look below the best share. */
function smallestShare(question: PowerQuestion): number | null {
  const at = (share: number): number => secondsToNotice({ ...question, share }, question.detect);
  const shares = Array.from({ length: 999 }, (_, index) => (index + 1) / 1000);
  const best = shares.reduce((least, share) => (at(share) < at(least) ? share : least), 0.5);
  if (at(best) > HOUR) return null;
  return rounded(leastWhere((share) => at(share) <= HOUR, 0, best));
}

/** The least value between a `low` where a condition does not hold and a `high` where it does. */
function leastWhere(holds: (value: number) => boolean, low: number, high: number): number {
  let [without, having] = [low, high];
  for (let step = 0; step < 60; step += 1) {
    const middle = (without + having) / 2;
    if (holds(middle)) having = middle;
    else without = middle;
  }
  return having;
}

/** Four digits, upwards: a figure that is promised to suffice must not be rounded below itself. */
function rounded(value: number): number {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 3);
  return Number((Math.ceil(value / unit) * unit).toPrecision(4));
}

function orNull(value: number): number | null {
  return value === Infinity ? null : value;
}

interface Findings {
  readonly seconds: number;
  readonly smallest: number | null;
  readonly share: number | null;
}

function sentenceOf(question: PowerQuestion, { seconds, smallest, share }: Findings): string {
  const harm = `A canary with ${question.detect} times the errors`;
  const least =
    smallest === null
      ? 'Within an hour nothing would be noticed, not even every request failing.'
      : `Within an hour at least ${smallest} times the errors are noticed.`;
  const needed = share === null ? 'No share would make it an hour.' : `A share of ${percent(share)} would do in an hour.`;
  if (seconds < Infinity) {
    const enough = seconds <= HOUR ? '' : ` ${needed}`;
    return `${harm} is noticed in about ${duration(seconds)}. ${least}${enough}`;
  }
  const why =
    question.rps === 0 || question.share === 0 || question.share === 1 || question.base === 0
      ? `there is nothing to compare (${question.rps} requests/s, ${percent(question.share)} canary, ${percent(question.base)} errors)`
      : `that is too close to the ${question.rho0} times that are tolerated`;
  return `${harm} cannot fire: ${why}. ${least} ${needed}`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(4))} %`;
}

export function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * HOUR) return `${Math.round(seconds / 60)} minutes`;
  return seconds < 48 * HOUR ? `${(seconds / HOUR).toFixed(1)} hours` : `${Math.round(seconds / (24 * HOUR))} days`;
}
