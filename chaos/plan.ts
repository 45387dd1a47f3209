/** What may be killed with -9. Never an application: that they live on is what is to be shown. */
export const victims = ['server', 'worker', 'worker-2', 'postgres', 'router', 'host'] as const;
export type Victim = (typeof victims)[number];

export interface PlannedKill {
  /** After the kill before it (the first: after the start of the run); later when the victim is not back yet. */
  readonly afterMs: number;
  readonly victim: Victim;
}

/** `regretted`: good, and taken back by a person once it has reached production. */
export type Quality = 'good' | 'bad' | 'regretted';

export interface ChaosPlan {
  readonly seed: number;
  readonly kills: readonly PlannedKill[];
  /** After this many kills a worker that holds a lease is stopped until another one has taken over. */
  readonly stopsAfter: readonly number[];
  /** What each application releases, one after the other; goes on from the start when kills are left over. */
  readonly releases: Readonly<Record<string, readonly Quality[]>>;
}

const leastPauseMs = 1_000;
const longestPauseMs = 8_000;

/** The whole run from one number: the same seed gives the same plan, on every machine. */
export function planChaos({ seed, kills }: { readonly seed: number; readonly kills: number }): ChaosPlan {
  const random = generator(seed);
  const drawn: Victim[] = [];
  // From a shuffled deck of two of each: everyone gets their turn, and some get it twice in a row.
  const deck = (at: number): Victim => {
    if (at >= drawn.length) drawn.push(...shuffled([...victims, ...victims], random));
    return drawn[at] ?? 'worker';
  };
  const isLong = kills >= 20;
  return {
    seed,
    kills: Array.from({ length: kills }, (_, at) => ({
      afterMs: Math.round(leastPauseMs + random() * (longestPauseMs - leastPauseMs)),
      victim: deck(at),
    })),
    stopsAfter: isLong ? [Math.floor(kills / 4), Math.floor((3 * kills) / 5)] : [Math.floor(kills / 3)],
    releases: {
      storefront: ['good', 'bad', ...(isLong ? shuffled(['good', 'regretted', 'bad', 'good'] as const, random) : [])],
      ...(isLong ? { kiosk: ['good', ...shuffled(['good', 'bad', 'regretted'] as const, random)] } : {}),
    },
  };
}

function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** mulberry32: even, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}
