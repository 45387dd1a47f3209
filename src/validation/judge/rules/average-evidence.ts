import { logSumExp } from '../log-space.ts';

/** One E-value among several, with the share of the capital put on it beforehand. */
export interface Weighted {
  readonly logE: number;
  readonly weight: number;
}

/**
 * C1, many metrics: E = Σ v_k E_k with Σ v_k = 1. The chance of a false rollback by any of them stays below alpha however they
 * depend on each other (Vovk & Wang 2021); metric k pays ln(1/v_k) of evidence for it.
 */
export function logAverageEvidence(parts: readonly Weighted[]): number {
  return logSumExp(parts.map((part) => part.logE + Math.log(part.weight)));
}
