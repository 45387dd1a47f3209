/**
 * C3, stages and retries. Over the stages of one canary the evidence multiplies: `openStage` keeps it, nothing is spent anew.
 * A retry of the same build starts from E = 1 and may raise a false alarm of its own, so the attempts of a release share one
 * alpha: attempt k (from 1) gets half of what is left. The chance that any of them is rolled back falsely stays below `budget`.
 */
export function alphaOfAttempt(budget: number, attempt: number): number {
  return budget * 0.5 ** attempt;
}
