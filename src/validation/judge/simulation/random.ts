/** Numbers in [0, 1): every draw of a simulation comes from one of these, so a seed tells the whole run. */
export type Random = () => number;

/**
 * sfc32 (Doty-Humphrey, PractRand), seeded by mixing any whole numbers: one for the study, one for the scenario, one for the
 * run. So run 17 is the same run whichever core simulates it.
 */
export function seededRandom(...seeds: readonly number[]): Random {
  let [a, b, c, counter] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1];
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  for (const seed of seeds) {
    a ^= seed | 0;
    b ^= Math.floor(seed / 2 ** 32) | 0;
    for (let round = 0; round < 12; round += 1) next();
  }
  return next;
}

/** Draws from the Poisson law of one mean, by inverting its distribution table. Means up to about 700. */
export class PoissonLaw {
  readonly #upTo: Float64Array;
  readonly #start: Uint16Array;

  constructor(mean: number) {
    const upTo: number[] = [];
    let probability = Math.exp(-mean);
    for (let k = 0, sum = 0; sum < 1 - 1e-15 && k < mean + 60 * Math.sqrt(mean + 1); k += 1) {
      sum += probability;
      upTo.push(sum);
      probability *= mean / (k + 1);
    }
    this.#upTo = Float64Array.from(upTo);
    // Where to begin looking for a number in the i-th 256th.
    this.#start = Uint16Array.from({ length: 256 }, (_, i) => {
      const first = upTo.findIndex((sum) => sum > i / 256);
      return first < 0 ? upTo.length - 1 : first;
    });
  }

  draw(random: Random): number {
    const u = random();
    let k = this.#start[Math.floor(u * 256)] ?? 0;
    while (k < this.#upTo.length - 1 && u >= (this.#upTo[k] ?? 1)) k += 1;
    return k;
  }
}
