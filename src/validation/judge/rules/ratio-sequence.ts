import type { Split } from '../batch.ts';
import { at, logMeanExp } from '../log-space.ts';
import { betterRatios } from './non-inferiority.ts';
import { logLoad, worseRatios } from './error-mixture.ts';

/**
 * D2, confidence sequence of the ratio: all rho0 that neither A1 nor D1 rejects. It holds at all times at once, so it may be
 * looked at every second. For any rho0, A1 and D1 need of the past only the canary's errors C and one curve
 *
 *     f(u) = Σ n ln(w e^u + 1 - w):   L_x(rho0) = C ln x + f(ln rho0) - f(ln rho0 + ln x)
 *
 * which is kept at 90 knots, a quarter of an octave apart, and read between them by cubic interpolation. The error is below
 * 3e-6 in ln E per error counted, three orders below what moves a bound by one in its last printed digit.
 */
export interface RatioCurve {
  readonly canaryErrors: number;
  readonly knots: readonly number[];
}

export interface RatioBounds {
  /** Most likely ratio; null while nothing has failed; Infinity is given as null too: only the canary has failed. */
  readonly estimate: number | null;
  readonly low: number;
  /** null: no upper bound yet. */
  readonly high: number | null;
  readonly level: number;
}

const step = Math.LN2 / 4;
const first = -9 * Math.LN2;
const knotCount = 90;
const loads = Array.from({ length: knotCount }, (_, i) => Math.exp(first + i * step));
/** The ratios searched: 1/100 to 200. The curve reaches further by the largest and the smallest alternative. */
const smallest = Math.log(1 / 100);
const largest = Math.log(200);

export const noRatioCurve: RatioCurve = { canaryErrors: 0, knots: loads.map(() => 0) };

export function observeRatioCurve(curve: RatioCurve, split: Split): RatioCurve {
  if (split.errors === 0) return curve;
  const { share, canaryErrors, errors } = split;
  return {
    canaryErrors: curve.canaryErrors + canaryErrors,
    knots: loads.map((load, i) => at(curve.knots, i) + errors * logLoad(share, load)),
  };
}

/** f(u) through the four knots around u (Lagrange). */
function read(curve: RatioCurve, u: number): number {
  const position = (u - first) / step;
  const i = Math.min(Math.max(Math.floor(position), 1), knotCount - 3);
  const t = position - i;
  const [a, b, c, d] = [at(curve.knots, i - 1), at(curve.knots, i), at(curve.knots, i + 1), at(curve.knots, i + 2)];
  return (
    (-a * t * (t - 1) * (t - 2)) / 6 +
    (b * (t + 1) * (t - 1) * (t - 2)) / 2 -
    (c * (t + 1) * t * (t - 2)) / 2 +
    (d * (t + 1) * t * (t - 1)) / 6
  );
}

/** ln E of the mixture over `alternatives` against the ratio e^u: A1 with those above 1, D1 with those below. */
export function logEAgainst(curve: RatioCurve, u: number, alternatives: readonly number[]): number {
  const atNull = read(curve, u);
  return logMeanExp(alternatives.map((x) => curve.canaryErrors * Math.log(x) + atNull - read(curve, u + Math.log(x))));
}

/** The u at which a falling condition turns false, to 1e-9; `from` where it never holds. */
function lastWhere(holds: (u: number) => boolean, from: number, to: number): number {
  let [inside, outside] = [from, to];
  while (Math.abs(outside - inside) > 1e-9) {
    const middle = (inside + outside) / 2;
    if (holds(middle)) inside = middle;
    else outside = middle;
  }
  return inside;
}

/** Where the likelihood C u - f(u) is largest: its slope, read across a hair, changes sign there. */
function estimateOf(curve: RatioCurve): number | null {
  const hair = 1e-4;
  const rises = (u: number): boolean => curve.canaryErrors * 2 * hair > read(curve, u + hair) - read(curve, u - hair);
  if (!rises(smallest)) return curve.canaryErrors === 0 && at(curve.knots, 0) !== 0 ? 0 : null;
  return rises(largest) ? null : Math.exp(lastWhere(rises, smallest, largest));
}

/**
 * The bounds at level 1 - alpha. Nine tenths of alpha stand at the lower end, where harm shows, so that it passes 1 together with
 * a rollback of A1 at the same alpha, but for a tenth of a nat.
 */
export function ratioBounds(curve: RatioCurve, alpha: number): RatioBounds {
  const [lowBar, highBar] = [-Math.log(0.9 * alpha), -Math.log(0.1 * alpha)];
  const tooLow = (u: number): boolean => logEAgainst(curve, u, worseRatios) >= lowBar;
  const tooHigh = (u: number): boolean => logEAgainst(curve, u, betterRatios) >= highBar;
  return {
    estimate: estimateOf(curve),
    low: tooLow(smallest) ? Math.exp(lastWhere(tooLow, smallest, largest)) : 0,
    high: tooHigh(largest) ? Math.exp(lastWhere(tooHigh, largest, smallest)) : null,
    level: 1 - alpha,
  };
}
