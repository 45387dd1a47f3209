/** Half of this is how close a zero is searched for. Kayenta's published verdicts on error shares near 0 depend on it. */
const TOLERANCE = 1e-4;
const MAXIMUM_STEPS = 1001;

interface Bracket {
  /** The best guess so far, its predecessor, and the end on the other side of the zero. */
  readonly best: Point;
  readonly previous: Point;
  readonly opposite: Point;
}

interface Point {
  readonly at: number;
  readonly value: number;
}

/**
 * Brent's zero finder (Algorithms for Minimization without Derivatives, 1973, ch. 4): inverse quadratic interpolation
 * guarded by bisection. `f` may be a step function, as a rank statistic is, so the answer is where it changes sign.
 */
export function findZero(f: (x: number) => number, low: number, high: number): number {
  const start = { at: low, value: f(low) };
  const end = { at: high, value: f(high) };
  if (isZero(start.value)) return low;
  if (isZero(end.value)) return high;
  let bracket: Bracket = { best: end, previous: start, opposite: start };
  for (let step = 0; step < MAXIMUM_STEPS; step += 1) {
    const lastMove = bracket.best.at - bracket.previous.at;
    bracket = smallestFirst(bracket);
    const { best, opposite } = bracket;
    const tolerance = 2 * Number.EPSILON * Math.abs(best.at) + TOLERANCE / 2;
    const half = (opposite.at - best.at) / 2;
    if (Math.abs(half) <= tolerance || isZero(best.value)) return best.at;
    const move = atLeast(nextMove(bracket, { half, lastMove, tolerance }), tolerance);
    const at = best.at + move;
    bracket = advance(bracket, { at, value: f(at) });
  }
  return bracket.best.at;
}

function smallestFirst(bracket: Bracket): Bracket {
  if (!(Math.abs(bracket.opposite.value) < Math.abs(bracket.best.value))) return bracket;
  return { best: bracket.opposite, previous: bracket.best, opposite: bracket.best };
}

function advance(bracket: Bracket, best: Point): Bracket {
  const sameSide = (best.value > 0 && bracket.opposite.value > 0) || (best.value < 0 && bracket.opposite.value < 0);
  return { best, previous: bracket.best, opposite: sameSide ? bracket.best : bracket.opposite };
}

interface Limits {
  readonly half: number;
  readonly lastMove: number;
  readonly tolerance: number;
}

/** The interpolated move when it stays well inside the bracket and shrinks fast enough, otherwise half the bracket. */
function nextMove({ best, previous, opposite }: Bracket, { half, lastMove, tolerance }: Limits): number {
  if (Math.abs(lastMove) < tolerance || Math.abs(previous.value) <= Math.abs(best.value)) return half;
  const width = opposite.at - best.at;
  const [p, q] =
    previous.at === opposite.at ? secant(best.value / previous.value, width) : inverseQuadratic({ best, previous, opposite }, width);
  const numerator = Math.abs(p);
  const denominator = p > 0 ? -q : q;
  const inside = numerator < 0.75 * width * denominator - Math.abs(tolerance * denominator) / 2;
  const shrinking = numerator < Math.abs((lastMove * denominator) / 2);
  return inside && shrinking ? numerator / denominator : half;
}

function secant(slope: number, width: number): readonly [number, number] {
  return [width * slope, 1 - slope];
}

function inverseQuadratic({ best, previous, opposite }: Bracket, width: number): readonly [number, number] {
  const q = previous.value / opposite.value;
  const r = best.value / opposite.value;
  const s = best.value / previous.value;
  return [s * (width * q * (q - r) - (best.at - previous.at) * (r - 1)), (q - 1) * (r - 1) * (s - 1)];
}

function atLeast(move: number, tolerance: number): number {
  if (Math.abs(move) >= tolerance) return move;
  return move > 0 ? tolerance : -tolerance;
}

/** Within one unit in the last place of zero. */
function isZero(value: number): boolean {
  return Math.abs(value) <= Number.MIN_VALUE;
}
