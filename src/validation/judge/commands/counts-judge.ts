import { observe, openJudge, verdictAtEnd, type JudgeSettings, type JudgeState, type Verdict } from '../judge.ts';
import { OPEN_RUNS, type CountsRow } from './counts-csv.ts';

export interface CountsAnswer {
  readonly run: number;
  readonly verdict: Verdict['kind'];
  readonly rollbackAtSecond: number | null;
  readonly passAtSecond: number | null;
  readonly logE: number;
  readonly ratio: { readonly low: number; readonly high: number | null };
}

/** One judge per run, in constant memory: a run is closed when a thousand newer ones are open. */
export class CountsJudge {
  readonly #settings: JudgeSettings;
  readonly #onVerdict: (answer: CountsAnswer, verdict: Verdict) => void;
  readonly #open = new Map<number, JudgeState>();

  constructor(settings: JudgeSettings, onVerdict: (answer: CountsAnswer, verdict: Verdict) => void) {
    this.#settings = settings;
    this.#onVerdict = onVerdict;
  }

  observe({ run, batch }: CountsRow): void {
    const key = run ?? 0;
    this.#open.set(key, observe(this.#open.get(key) ?? openJudge(this.#settings), batch));
    if (this.#open.size <= OPEN_RUNS) return;
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.#close(oldest);
  }

  end(): void {
    for (const run of this.#open.keys()) this.#close(run);
  }

  #close(run: number): void {
    const state = this.#open.get(run);
    this.#open.delete(run);
    if (state === undefined) return;
    const verdict = verdictAtEnd(state);
    const { kind, rollbackAtSecond, passAtSecond, logE, ratio } = verdict;
    this.#onVerdict({ run, verdict: kind, rollbackAtSecond, passAtSecond, logE, ratio: { low: ratio.low, high: ratio.high } }, verdict);
  }
}
