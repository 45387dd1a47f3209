import { logPooledRank, noPooledRank, observePooledRank, type PooledRank } from '../rules/pooled-rank.ts';
import { described, Fields } from './fields.ts';
import type { JsonLine } from './json-lines.ts';
import type { Path } from './json-place.ts';

export interface LatencyBatch {
  readonly canary: readonly number[];
  readonly stable: readonly number[];
}

export interface LatencyAnswer {
  readonly batch: number;
  readonly logE: number;
  readonly logERank: number;
  readonly logETail5: number;
  readonly logETail1: number;
  readonly verdict: 'rollback' | 'continue' | 'inconclusive';
}

/** One line of `{"canary": [ms…], "stable": [ms…]}`; undefined after a complaint. */
export function latencyBatchOf({ value, complain }: JsonLine): LatencyBatch | undefined {
  let faults = 0;
  const say = (path: Path, detail: string): void => {
    faults += 1;
    complain(path, detail);
  };
  const fields = new Fields(value, [], say);
  const samples = (arm: 'canary' | 'stable'): readonly number[] => {
    if (!fields.has(arm)) fields.complain(arm, `expected the latencies of ${arm}, got nothing`);
    const list = fields.list(arm);
    for (const [index, sample] of list.entries()) {
      if (!(typeof sample === 'number' && sample >= 0 && sample < Infinity)) {
        fields.complainAt(arm, index, `expected milliseconds from 0, got ${described(sample)}`);
      }
    }
    return list as readonly number[];
  };
  const batch = { canary: samples('canary'), stable: samples('stable') };
  return faults > 0 ? undefined : batch;
}

/** Evidence of the rank rule over batches; once it reaches its bar the verdict stays. */
export class LatencyJudge {
  readonly #bar: number;
  #evidence: PooledRank = noPooledRank;
  #batch = 0;
  #compared = false;
  #rolledBack = false;

  constructor(alpha: number) {
    this.#bar = -Math.log(alpha);
  }

  observe({ canary, stable }: LatencyBatch): LatencyAnswer {
    this.#evidence = observePooledRank(this.#evidence, canary, stable);
    this.#compared ||= canary.length > 0 && stable.length > 0;
    const logs = logPooledRank(this.#evidence);
    this.#rolledBack ||= logs.logE >= this.#bar;
    const verdict = this.#rolledBack ? 'rollback' : this.#compared ? 'continue' : 'inconclusive';
    const batch = this.#batch;
    this.#batch += 1;
    return { batch, ...logs, verdict };
  }
}
