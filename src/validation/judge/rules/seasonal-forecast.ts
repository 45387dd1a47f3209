import { at } from '../log-space.ts';

/**
 * E, after full deployment there is no control: the forecast takes its place. Additive Holt-Winters (level, trend, one value per
 * season, e.g. 168 hours of a week), updated one point at a time.
 */
export interface SeasonalForecast {
  readonly level: number;
  readonly trend: number;
  readonly seasonal: readonly number[];
  /** Points seen. */
  readonly count: number;
}

export interface Smoothing {
  readonly level: number;
  readonly trend: number;
  readonly season: number;
}

/** Slow enough that an incident of an hour does not become the new normal. */
const defaultSmoothing: Smoothing = { level: 0.1, trend: 0.01, season: 0.1 };

export function openForecast(seasons: number): SeasonalForecast {
  return { level: 0, trend: 0, seasonal: Array.from({ length: seasons }, () => 0), count: 0 };
}

/** The season the next point belongs to: its place in the week. */
export function nextSeason(forecast: SeasonalForecast): number {
  return forecast.count % forecast.seasonal.length;
}

/** The next point, as foreseen. Meaningful once a whole cycle has been seen. */
export function foresee(forecast: SeasonalForecast): number {
  return forecast.level + forecast.trend + at(forecast.seasonal, nextSeason(forecast));
}

export function isTrained(forecast: SeasonalForecast): boolean {
  return forecast.count >= forecast.seasonal.length;
}

/** The first cycle sets the level (its running mean) and keeps each point; its end turns the points into seasons around that mean. */
function learn(forecast: SeasonalForecast, value: number): SeasonalForecast {
  const count = forecast.count + 1;
  const level = forecast.level + (value - forecast.level) / count;
  const points = forecast.seasonal.with(forecast.count, value);
  const seasonal = count === points.length ? points.map((point) => point - level) : points;
  return { level, trend: 0, seasonal, count };
}

export function observeForecast(forecast: SeasonalForecast, value: number, smoothing: Smoothing = defaultSmoothing): SeasonalForecast {
  if (!isTrained(forecast)) return learn(forecast, value);
  const season = nextSeason(forecast);
  const before = at(forecast.seasonal, season);
  const carried = forecast.level + forecast.trend;
  const level = carried + smoothing.level * (value - before - carried);
  const trend = forecast.trend + smoothing.trend * (level - forecast.level - forecast.trend);
  const seasonal = forecast.seasonal.with(season, before + smoothing.season * (value - level - before));
  return { level, trend, seasonal, count: forecast.count + 1 };
}
