/**
 * Arithmetic on logarithms. Evidence multiplies over batches and leaves the range of a double within hours (the E-value of a
 * healthy canary falls below 1e-308), so every rule adds logarithms and returns to plain numbers only in a sentence.
 */

/** The element, or a RangeError: index arithmetic on a table of fixed length is either right or a bug of ours. */
export function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`expected an index below ${values.length}, got ${index}`);
  return value;
}

/** ln Σ exp(v). Exact under a shift: the largest term is taken out first, so nothing overflows. */
export function logSumExp(values: readonly number[]): number {
  let largest = -Infinity;
  for (const value of values) if (value > largest) largest = value;
  if (largest === -Infinity) return -Infinity;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

/** ln of the plain mean of exp(v): the mixture of equally weighted alternatives. */
export function logMeanExp(values: readonly number[]): number {
  return logSumExp(values) - Math.log(values.length);
}

/** ln(exp(a) + exp(b)). */
export function logAdd(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  return low === -Infinity ? high : high + Math.log1p(Math.exp(low - high));
}

const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI);

/** Stirling's series with seven terms, from 15 upwards: the error is below 1e-16 relative. */
function logGammaLarge(x: number): number {
  const inverse = 1 / x;
  const square = inverse * inverse;
  const series =
    inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square * (1 / 1188 - (square * 691) / 360360)))));
  return (x - 0.5) * Math.log(x) - x + halfLogTwoPi + series;
}

/** ln Γ(x) for x > 0: small arguments are raised to 15 by Γ(x + 1) = x Γ(x). */
export function logGamma(x: number): number {
  if (x >= 15) return logGammaLarge(x);
  let product = 1;
  let raised = x;
  for (; raised < 15; raised += 1) product *= raised;
  return logGammaLarge(raised) - Math.log(product);
}

/** ln B(a, b). */
export function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}
