import type { ProbeResult } from './health-check.ts';

/** What one HTTP answer, or its absence, says about health: a status of 200 to 299 passes. */
export function judgeAnswer(at: Date, answer: { readonly status: number; readonly ms: number } | { readonly error: string }): ProbeResult {
  if ('error' in answer) return { at, passed: false, detail: answer.error };
  const passed = answer.status >= 200 && answer.status < 300;
  return { at, passed, detail: `HTTP ${answer.status} in ${Math.round(answer.ms)} ms` };
}
