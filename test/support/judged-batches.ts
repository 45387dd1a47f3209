import { observe, openJudge, resolveSettings, type Batch, type JudgeOptions, type JudgeState } from '../../src/validation/judge/judge.ts';

type Counts = readonly [requests: number, errors: number];

export function batch(second: number, canary: Counts, stable: Counts, extra: Partial<Batch> = {}): Batch {
  return { second, canary: { requests: canary[0], errors: canary[1] }, stable: { requests: stable[0], errors: stable[1] }, ...extra };
}

export function open(options: JudgeOptions = {}): JudgeState {
  return openJudge(resolveSettings(options));
}

export function observeAll(state: JudgeState, batches: readonly Batch[]): JudgeState {
  return batches.reduce(observe, state);
}

/** Seconds `from` … `to` - 1 of one kind of batch. */
export function seconds(from: number, to: number, of: (second: number) => Batch): readonly Batch[] {
  return Array.from({ length: to - from }, (_, i) => of(from + i));
}

/** Both arms fail equally often: one error a second, in turn. */
export const healthy = (second: number): Batch => batch(second, [100, second % 2], [100, (second + 1) % 2]);
