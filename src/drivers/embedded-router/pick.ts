/**
 * Which arm a user belongs to. Weighted rendezvous hashing: each arm draws a number from (user, arm, lane), divides it by
 * its weight, and the best draw wins. So the answer needs no memory, does not depend on the order of the arms, and:
 * - shares match the weights;
 * - when one arm's share rises, users move only towards it: who is on the canary stays on it;
 * - another release draws anew, so it is not always the same users who meet the canary.
 */
export interface PickArm {
  /** `armSeed(lane, deployment)`. */
  readonly seed: number;
  /** In percent; 0 is never picked. */
  readonly weight: number;
}

/** 32 bits of FNV-1a, mixed: short keys that differ in one character end far apart. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

export function armSeed(lane: string, deployment: string): number {
  return hashText(`${lane}\n${deployment}`);
}

/** Index of the picked arm; -1 when no arm has a weight. `mayServe` leaves arms out (down, already tried). */
export function pick(arms: readonly PickArm[], user: string, mayServe?: (index: number) => boolean): number {
  const userHash = hashText(user);
  let best = -1;
  let bestDraw = Infinity;
  for (let i = 0; i < arms.length; i++) {
    const arm = arms[i];
    if (!arm || arm.weight <= 0 || (mayServe && !mayServe(i))) continue;
    // (0, 1), exponential with rate `weight`: the smallest of several wins with probability weight / sum.
    const uniform = (mix(userHash ^ arm.seed) + 0.5) / 4_294_967_296;
    const draw = -Math.log(uniform) / arm.weight;
    if (draw < bestDraw) {
      best = i;
      bestDraw = draw;
    }
  }
  return best;
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
