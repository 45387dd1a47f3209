import { at, logAdd, logSumExp } from '../log-space.ts';
import type { ErrorMixture } from './error-mixture.ts';

/**
 * A3, late onset: a canary that turns bad after twenty healthy minutes has to win back what those minutes cost. So A1 is also
 * started again every `everySeconds`, and the capital is spread over the starts s_j beforehand: half on the first, half on the
 * planned restarts. A start that lies ahead holds its share unchanged (its E is 1):
 *
 *     ln E_R = lse_x[L_x - ln|G| + R_x] + ln(1 + …),   R_x = lse over begun starts of (ln om_j - L_x(s_j))
 *
 * An average of test martingales is one, so P(ever E_R ≥ 1/alpha) ≤ alpha.
 */
export interface Restarts {
  /** R_x for each alternative of A1. */
  readonly sums: readonly number[];
  /** Restarts begun so far, the first start not counted. */
  readonly begun: number;
}

export interface RestartPlan {
  readonly everySeconds: number;
  /** Capital put on the restarts, one half in A3; the rest stays on the first start. */
  readonly share: number;
  /** How long the canary may be watched; absent: without end. */
  readonly horizonSeconds?: number;
}

/** A3 puts half of the capital on the restarts. */
export const restartShare = 0.5;

const secondsOfAnHour = 3600;

/**
 * Share of the capital on the restarts 1 … `restart`. With a horizon they share evenly. Without one, the first hour gets four
 * fifths and hour h the 1/((h-1) h)-th part of the rest, so that a restart in any later hour still has some.
 */
export function restartedShare(restart: number, plan: RestartPlan): number {
  const spread = plan.share;
  if (plan.horizonSeconds !== undefined) {
    const planned = Math.max(Math.ceil(plan.horizonSeconds / plan.everySeconds) - 1, 1);
    return spread * Math.min(restart / planned, 1);
  }
  const hours = (restart * plan.everySeconds) / secondsOfAnHour;
  if (hours <= 1) return spread * 0.8 * hours;
  const whole = Math.floor(hours);
  return spread * (0.8 + 0.2 * (1 - 1 / whole + (hours - whole) / (whole * (whole + 1))));
}

export function noRestarts(alternatives: number, share: number): Restarts {
  return { sums: Array.from({ length: alternatives }, () => Math.log1p(-share)), begun: 0 };
}

/** Begins the restarts that are due at `elapsedSeconds`, before the batch of that second is added to the mixture. */
export function beginRestarts(restarts: Restarts, mixture: ErrorMixture, elapsedSeconds: number, plan: RestartPlan): Restarts {
  const due = Math.floor(elapsedSeconds / plan.everySeconds);
  if (due <= restarts.begun) return restarts;
  const share = restartedShare(due, plan) - restartedShare(restarts.begun, plan);
  if (share <= 0) return restarts;
  return { sums: restarts.sums.map((sum, i) => logAdd(sum, Math.log(share) - at(mixture, i))), begun: due };
}

/** ln E_R; `logPriors` holds the capital on each alternative, -ln|G| where they share evenly. */
export function logRestarted(restarts: Restarts, mixture: ErrorMixture, plan: RestartPlan, logPriors: readonly number[]): number {
  const ahead = plan.share - restartedShare(restarts.begun, plan);
  const begun = logSumExp(mixture.map((l, i) => l + at(logPriors, i) + at(restarts.sums, i)));
  return ahead > 0 ? logAdd(begun, Math.log(ahead)) : begun;
}
