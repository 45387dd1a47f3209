/**
 * A decision is a value: what may happen, and why. Every gate, freeze, approval and analysis returns one,
 * and the same value answers the pipeline, the API, `tidegate why` and `tidegate plan`.
 * `undetermined` never counts as allow: no data is not healthy.
 */
export type Effect = 'allow' | 'deny' | 'undetermined';

export interface Reason {
  /** Stable machine name, `noun.cause`: `approval.missing-role`, `freeze.active`. */
  readonly code: string;
  /** One sentence a release manager understands. */
  readonly sentence: string;
  /** What would change this decision, and who can do it. Absent on reasons that allow. */
  readonly remedy?: string;
  /** The facts the sentence rests on, as plain JSON. */
  readonly evidence?: Readonly<Record<string, unknown>>;
}

export interface Decision {
  readonly effect: Effect;
  readonly reasons: readonly Reason[];
  /** When time alone will change the decision (a freeze ends, a soak is over). */
  readonly until?: Date;
}

export function allow(...reasons: readonly Reason[]): Decision {
  return { effect: 'allow', reasons };
}

export function deny(reason: Reason, until?: Date): Decision {
  return until ? { effect: 'deny', reasons: [reason], until } : { effect: 'deny', reasons: [reason] };
}

export function undetermined(reason: Reason, until?: Date): Decision {
  return until ? { effect: 'undetermined', reasons: [reason], until } : { effect: 'undetermined', reasons: [reason] };
}

/**
 * All must allow. One deny denies; otherwise one undetermined makes the whole undetermined. Keeps the reasons of every
 * part that does not allow (or all reasons when everything allows), and the latest `until` when each refusing part has one.
 */
export function every(decisions: readonly Decision[]): Decision {
  const refusing = decisions.filter((d) => d.effect !== 'allow');
  if (refusing.length === 0) return allow(...decisions.flatMap((d) => d.reasons));
  const effect: Effect = refusing.some((d) => d.effect === 'deny') ? 'deny' : 'undetermined';
  const reasons = refusing.flatMap((d) => d.reasons);
  const times = refusing.map((d) => d.until?.getTime());
  if (times.some((t) => t === undefined)) return { effect, reasons };
  return { effect, reasons, until: new Date(Math.max(...times.map((t) => t ?? 0))) };
}
