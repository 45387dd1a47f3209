import { evidenceOf } from '../evidence.ts';
import {
  observe,
  openJudge,
  verdictAtEnd,
  verdictOf,
  type ArmBatch,
  type Batch,
  type JudgeSettings,
  type JudgeState,
  type Verdict,
} from '../judge.ts';
import { logAverageEvidence } from '../rules/average-evidence.ts';
import { LatencyJudge, type LatencyBatch } from './latency-batches.ts';

/** Points of a chart: a page stays small however long the stream was. */
const MOST_BUCKETS = 400;

export interface CountBucket {
  /** First and last second, both included. */
  readonly from: number;
  readonly to: number;
  readonly canary: ArmBatch;
  readonly stable: ArmBatch;
  /** ln E at the end, and the highest within: a peak is what rolls back. */
  readonly logE: number;
  readonly logEPeak: number;
  readonly logEPass: number | null;
  readonly ratio: Verdict['ratio'];
}

export interface LatencyBucket {
  readonly from: number;
  readonly to: number;
  readonly canary: Histogram;
  readonly stable: Histogram;
  readonly logE: number;
  readonly logEPeak: number;
}

/** Keeps at most a few hundred merged items: when it is full, neighbours merge and each next one holds twice as much. */
class Merging<T> {
  readonly #merge: (left: T, right: T) => T;
  #items: T[] = [];
  #width = 1;
  #inLast = 0;

  constructor(merge: (left: T, right: T) => T) {
    this.#merge = merge;
  }

  add(item: T): void {
    const last = this.#items.at(-1);
    if (last !== undefined && this.#inLast < this.#width) {
      this.#items[this.#items.length - 1] = this.#merge(last, item);
      this.#inLast += 1;
      return;
    }
    this.#items.push(item);
    this.#inLast = 1;
    if (this.#items.length > MOST_BUCKETS) this.#halve();
  }

  get items(): readonly T[] {
    return this.#items;
  }

  #halve(): void {
    const odd = this.#items.length % 2 === 1 ? this.#items.pop() : undefined;
    this.#items = this.#items.flatMap((item, index, all) => {
      const next = all[index + 1];
      return index % 2 === 0 && next !== undefined ? [this.#merge(item, next)] : [];
    });
    this.#width *= 2;
    if (odd !== undefined) this.#items.push(odd);
    else this.#inLast = this.#width;
  }
}

/** The path of one run. */
export class CountTrace {
  readonly #buckets = new Merging<CountBucket>((left, right) => ({
    ...right,
    from: left.from,
    canary: sum(left.canary, right.canary),
    stable: sum(left.stable, right.stable),
    logEPeak: Math.max(left.logEPeak, right.logEPeak),
  }));
  #state: JudgeState;
  #batches = 0;
  #nextLook = 0;
  #seen: Pick<Verdict, 'ratio' | 'logEPass'>;

  constructor(settings: JudgeSettings) {
    this.#state = openJudge(settings);
    this.#seen = verdictOf(this.#state);
  }

  observe(batch: Batch): void {
    this.#state = observe(this.#state, batch);
    this.#batches += 1;
    // The bounds cost fifty times a batch: they are looked at as often as the page can show.
    if (this.#batches >= this.#nextLook) {
      this.#seen = verdictOf(this.#state);
      this.#nextLook = this.#batches + Math.max(1, Math.floor(this.#batches / MOST_BUCKETS));
    }
    const logE = logAverageEvidence(evidenceOf(this.#state));
    const { second, canary, stable } = batch;
    const { ratio, logEPass } = this.#seen;
    this.#buckets.add({ from: second, to: second, canary, stable, logE, logEPeak: logE, logEPass, ratio });
  }

  get buckets(): readonly CountBucket[] {
    return this.#buckets.items;
  }

  get verdict(): Verdict {
    return verdictAtEnd(this.#state);
  }
}

export class LatencyTrace {
  readonly #buckets = new Merging<LatencyBucket>((left, right) => ({
    ...right,
    from: left.from,
    canary: left.canary.with(right.canary),
    stable: left.stable.with(right.stable),
    logEPeak: Math.max(left.logEPeak, right.logEPeak),
  }));
  readonly #judge: LatencyJudge;
  #rolledBackAt: number | null = null;

  constructor(alpha: number) {
    this.#judge = new LatencyJudge(alpha);
  }

  observe(batch: LatencyBatch): void {
    const { batch: index, logE, verdict } = this.#judge.observe(batch);
    if (verdict === 'rollback') this.#rolledBackAt ??= index;
    const [canary, stable] = [new Histogram(batch.canary), new Histogram(batch.stable)];
    this.#buckets.add({ from: index, to: index, canary, stable, logE, logEPeak: logE });
  }

  get buckets(): readonly LatencyBucket[] {
    return this.#buckets.items;
  }

  /** The batch at which the evidence reached its bar. */
  get rolledBackAt(): number | null {
    return this.#rolledBackAt;
  }
}

const WIDTH = Math.log(1.02);
/** Zero has no logarithm: it falls into the bin of a nanosecond. */
const LEAST = 1e-6;

/** Counts in bins of 2 % width: quantiles within 1 %, and two of them add up. */
export class Histogram {
  readonly #bins: Map<number, number>;
  readonly #count: number;

  constructor(values: readonly number[], bins = new Map<number, number>(), count = 0) {
    for (const value of values) {
      const bin = Math.round(Math.log(Math.max(value, LEAST)) / WIDTH);
      bins.set(bin, (bins.get(bin) ?? 0) + 1);
    }
    this.#bins = bins;
    this.#count = count + values.length;
  }

  with(other: Histogram): Histogram {
    const bins = new Map(this.#bins);
    for (const [bin, count] of other.#bins) bins.set(bin, (bins.get(bin) ?? 0) + count);
    return new Histogram([], bins, this.#count + other.#count);
  }

  /** null without values. */
  quantile(p: number): number | null {
    let left = p * this.#count;
    for (const [bin, count] of [...this.#bins].toSorted(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return Math.exp(bin * WIDTH);
    }
    return null;
  }
}

function sum(left: ArmBatch, right: ArmBatch): ArmBatch {
  return { requests: left.requests + right.requests, errors: left.errors + right.errors };
}
