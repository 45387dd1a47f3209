import type { ArmBatch } from './batch.ts';
import type { ComparisonState } from './comparison.ts';
import type { HardStop } from './rules/hard-stop.ts';
import type { LatencyHistogram } from './rules/latency-histogram.ts';
import type { PooledRank } from './rules/pooled-rank.ts';
import type { RatioCurve } from './rules/ratio-sequence.ts';
import type { ServedShare } from './rules/served-share.ts';
import type { JudgeSettings } from './settings.ts';

/** All the judge knows: plain JSON, of constant size per metric. Stored and loaded again, it goes on as if nothing had happened. */
export interface JudgeState {
  readonly settings: JudgeSettings;
  readonly openedAt: number | null;
  readonly stageOpenedAt: number | null;
  readonly lastSecond: number | null;
  /** When the canary and its control last served something. */
  readonly lastServedAt: { readonly canary: number | null; readonly control: number | null };
  readonly counted: { readonly canary: ArmBatch; readonly control: ArmBatch };
  /** The errors as a whole under `errors`, then each metric, then each segment. */
  readonly comparisons: Readonly<Record<string, ComparisonState>>;
  readonly curve: RatioCurve;
  /** A fresh instance of stable against stable, once a batch had one: what youth alone does. */
  readonly freshness: ComparisonState | null;
  readonly latency: PooledRank | null;
  /** Kept when a quantile is required to pass. */
  readonly latencies: { readonly canary: LatencyHistogram; readonly stable: LatencyHistogram } | null;
  readonly share: ServedShare;
  readonly hardStop: HardStop;
  /** Set once and for the whole release: the evidence reached its bar at this second. */
  readonly rolledBack: { readonly second: number; readonly fired: readonly string[] } | null;
  /** Set once in a stage. */
  readonly passedAt: number | null;
  readonly mismatchedAt: number | null;
}
