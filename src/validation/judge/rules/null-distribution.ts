import { logGamma } from '../log-space.ts';

/** Probabilities of 0 … n canary errors among n, for the rules that need more of H0 than a mean. */
function logChoose(n: number, k: number): number {
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
}

/** Errors fall at random moments: each of n is the canary's with probability `share`. */
export function binomial(n: number, share: number): readonly number[] {
  return Array.from({ length: n + 1 }, (_, c) => Math.exp(logChoose(n, c) + c * Math.log(share) + (n - c) * Math.log1p(-share)));
}

/** Requests fall to the arms at random: n of the `canary` + `control` requests fail, without replacement. */
export function hypergeometric(n: number, canary: number, control: number): readonly number[] {
  const all = logChoose(canary + control, n);
  return Array.from({ length: n + 1 }, (_, c) =>
    c > canary || n - c > control ? 0 : Math.exp(logChoose(canary, c) + logChoose(control, n - c) - all),
  );
}
