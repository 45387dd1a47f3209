/**
 * The one error class that crosses a folder. `code` is stable and documented in docs/errors.md; `status` is the HTTP
 * status the edge answers with; `faults` holds every single problem when there are several (RFC 9457, with a JSON
 * pointer each). `retryable` tells the reconciler whether trying again can help.
 */
export interface FaultItem {
  /** RFC 6901 pointer into the input. */
  readonly pointer?: string;
  /** Which of several input files. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly code?: string;
  /** "expected X, got Y". */
  readonly detail: string;
}

export interface FaultOptions {
  readonly code: string;
  readonly status?: number;
  /** What went wrong, in one sentence: expected X, got Y. */
  readonly message: string;
  /** What to do next. */
  readonly remedy?: string;
  readonly retryable?: boolean;
  readonly faults?: readonly FaultItem[];
  /** Further members of the problem document (`nextOpening`, `diff`, …). */
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class Fault extends Error {
  readonly code: string;
  readonly status: number;
  readonly remedy: string | undefined;
  readonly retryable: boolean;
  readonly faults: readonly FaultItem[];
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(options: FaultOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.code = options.code;
    this.status = options.status ?? 500;
    this.remedy = options.remedy;
    this.retryable = options.retryable ?? false;
    this.faults = options.faults ?? [];
    this.extra = options.extra ?? {};
  }
}

/** All at once has an end: a hostile megabyte can hold a million faults. */
export const maximumFaults = 500;

/** What is told of many faults: the first {@link maximumFaults}, and how many there are besides. */
export function firstFaults(faults: readonly FaultItem[]): readonly FaultItem[] {
  if (faults.length <= maximumFaults) return faults;
  return [...faults.slice(0, maximumFaults), { code: 'faults.more', detail: `and ${faults.length - maximumFaults} more` }];
}
