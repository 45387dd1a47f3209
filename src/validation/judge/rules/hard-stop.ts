import type { ArmBatch } from '../batch.ts';

/**
 * D4, the absolute guard: `limit` users in a row failed on the canary, not one request succeeded, and no control traffic stood
 * beside it (with a control, A1 fires in the first second of an outage and knows a shared incident from a bad canary). Its false
 * alarms have no bound of their own: at a failure rate p about p^limit for each run of failures.
 */
export interface HardStop {
  readonly failuresInARow: number;
}

export const noHardStop: HardStop = { failuresInARow: 0 };

export function observeHardStop(stop: HardStop, canary: ArmBatch, control: ArmBatch): HardStop {
  const succeeded = canary.requests > (canary.failedRequests ?? canary.errors);
  if (succeeded || control.requests > 0) return stop.failuresInARow === 0 ? stop : noHardStop;
  return canary.errors === 0 ? stop : { failuresInARow: stop.failuresInARow + canary.errors };
}

export function isStopped(stop: HardStop, limit: number): boolean {
  return stop.failuresInARow >= limit;
}
