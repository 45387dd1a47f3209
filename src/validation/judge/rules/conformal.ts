import { logMeanExp } from '../log-space.ts';
import { carry, type Detector } from './e-detector.ts';
import { foresee, isTrained, nextSeason, observeForecast, openForecast, type SeasonalForecast } from './seasonal-forecast.ts';

/**
 * E, residuals of the forecast judged by their rank among the residuals of the same hour of the week (conformal p-value), bet
 * on by a mixture of powers and added up by an e-detector:
 *
 *     p_t = #{i: |u_i| ≥ |u_t|, t included} / (n + 1),   e_t = mean over K in {.1, .3, .5, .7} of K p_t^(K - 1)
 *
 * E[e_t] ≤ 1 while the residuals of one hour are exchangeable, whatever their distribution. They are so only as far as the
 * forecast has settled: this is weaker than any rule with a control beside the canary.
 */
const powers = [0.1, 0.3, 0.5, 0.7] as const;

/** Residuals kept per season: a year of weeks. */
const kept = 52;

export interface ResidualMonitor {
  readonly detector: Detector;
  readonly forecast: SeasonalForecast;
  /** |u| of the last points of each season, oldest first. */
  readonly residuals: readonly (readonly number[])[];
  readonly carried: number;
  /** ln M after the last point; null before the first that was judged. Alarm as for any e-detector: `isAlarm`. */
  readonly logM: number | null;
}

/** The rank of `residual` among the earlier ones, as a p-value: at least 1/(n + 1). */
export function conformalP(earlier: readonly number[], residual: number): number {
  return (earlier.filter((other) => other >= residual).length + 1) / (earlier.length + 1);
}

/** ln e of the bet on a p-value. */
export function logPowerBet(p: number): number {
  return logMeanExp(powers.map((k) => Math.log(k) + (k - 1) * Math.log(p)));
}

export function openResidualMonitor(seasons: number, detector: Detector = 'shiryaev-roberts'): ResidualMonitor {
  return { detector, forecast: openForecast(seasons), residuals: Array.from({ length: seasons }, () => []), carried: 0, logM: null };
}

/** Adds one point. While the first cycle is learnt, nothing is judged. */
export function observeResidual(monitor: ResidualMonitor, value: number): ResidualMonitor {
  const { forecast, residuals, detector } = monitor;
  const next = observeForecast(forecast, value);
  if (!isTrained(forecast)) return { ...monitor, forecast: next };
  const season = nextSeason(forecast);
  const earlier = residuals[season] ?? [];
  const residual = Math.abs(value - foresee(forecast));
  const logM = monitor.carried + logPowerBet(conformalP(earlier, residual));
  const keptNow = residuals.with(season, [...earlier, residual].slice(-kept));
  return { detector, forecast: next, residuals: keptNow, carried: carry(logM, detector), logM };
}
