import type { ArmBatch, Batch } from '../judge.ts';
import { shown, type InputFaults } from './input-faults.ts';
import { LineCutter, textOf, type Line } from './lines.ts';

/** A row of recorded counts. `run` is null where the input has no such column. */
export interface CountsRow {
  readonly run: number | null;
  readonly batch: Batch;
}

const REQUIRED = ['second', 'canaryRequests', 'stableRequests', 'canaryErrors', 'stableErrors'] as const;
const OPTIONAL = ['run', 'expectedShare', 'baselineRequests', 'baselineErrors'] as const;
const KNOWN: readonly string[] = [...REQUIRED, ...OPTIONAL];
const ROW_LIMIT = 65_536;
const COMMA = 44;
const ZERO = 48;
const NINE = 57;
/** Digits that always fit a whole number exactly. */
const SAFE_DIGITS = 15;

/** Runs whose rows may still come between those of others. An older one that comes back is refused rather than remembered. */
export const OPEN_RUNS = 1000;

type Columns = Readonly<Record<(typeof REQUIRED)[number], number>> & { readonly [Name in (typeof OPTIONAL)[number]]: number };

/**
 * Reads `run,second,canaryRequests,stableRequests,canaryErrors,stableErrors` (any order, `run` optional; also
 * `expectedShare`, `baselineRequests`, `baselineErrors`) from chunks of bytes. Every fault goes to `faults` with its line and
 * column; a faulty row is not handed on.
 */
export class CountsReader {
  readonly #faults: InputFaults;
  readonly #onRow: (row: CountsRow) => void;
  readonly #lines: LineCutter;
  readonly #lastSecond = new Map<number | null, number>();
  readonly #closed = new Set<number>();
  #columns: Columns | undefined;
  #names: readonly string[] = [];
  #values = new Float64Array(0);
  #blankLine = 0;
  #rows = 0;
  #headed = false;

  constructor(faults: InputFaults, onRow: (row: CountsRow) => void) {
    this.#faults = faults;
    this.#onRow = onRow;
    this.#lines = new LineCutter(
      ROW_LIMIT,
      (line) => {
        this.#line(line);
      },
      (number) => {
        this.#headed = true;
        faults.add(number, 1, `expected a row of at most ${ROW_LIMIT} bytes`);
      },
    );
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    if (!this.#headed) this.#faults.add(1, 1, `expected the header ${['run', ...REQUIRED].join(',')}, got an empty input`);
    else if (this.#columns && this.#rows === 0) this.#faults.add(2, 1, 'expected at least one row of counts, got none');
  }

  #line(line: Line): void {
    if (!this.#headed) {
      this.#headed = true;
      this.#header(line);
      return;
    }
    if (line.start === line.end) {
      this.#blankLine ||= line.number;
      return;
    }
    if (this.#blankLine > 0) {
      this.#faults.add(this.#blankLine, 1, 'expected a row, got an empty line');
      this.#blankLine = 0;
    }
    this.#rows += 1;
    if (this.#columns) this.#row(line, this.#columns);
  }

  #header(line: Line): void {
    const names = textOf(line).split(',');
    const before = this.#faults.count;
    let column = 1;
    for (const [index, name] of names.entries()) {
      if (!KNOWN.includes(name)) this.#faults.add(line.number, column, `expected one of ${KNOWN.join(', ')}, got ${shown(name)}`);
      else if (names.indexOf(name) < index) this.#faults.add(line.number, column, `expected each column once, got ${name} again`);
      column += name.length + 1;
    }
    const missing = REQUIRED.filter((name) => !names.includes(name));
    if (missing.length > 0)
      this.#faults.add(line.number, column - 1, `expected the columns ${REQUIRED.join(', ')}; missing ${missing.join(', ')}`);
    const half = names.includes('baselineRequests') !== names.includes('baselineErrors');
    if (half) this.#faults.add(line.number, column - 1, 'expected baselineRequests and baselineErrors together, got one of them');
    if (this.#faults.count > before) return;
    this.#names = names;
    this.#values = new Float64Array(names.length);
    this.#columns = Object.fromEntries(KNOWN.map((name) => [name, names.indexOf(name)])) as unknown as Columns;
  }

  #row(line: Line, columns: Columns): void {
    if (!this.#digits(line) && !this.#fields(line)) return;
    const value = (column: number): number => this.#values[column] ?? 0;
    const canary = { requests: value(columns.canaryRequests), errors: value(columns.canaryErrors) };
    const stable = { requests: value(columns.stableRequests), errors: value(columns.stableErrors) };
    const baseline = { requests: value(columns.baselineRequests), errors: value(columns.baselineErrors) };
    const second = value(columns.second);
    const run = columns.run < 0 ? null : value(columns.run);
    const inOrder = this.#isInOrder(line, run, second);
    if (canary.errors > canary.requests) this.#exceeds(line, 'canaryErrors', canary);
    if (stable.errors > stable.requests) this.#exceeds(line, 'stableErrors', stable);
    if (baseline.errors > baseline.requests) this.#exceeds(line, 'baselineErrors', baseline);
    if (!inOrder || this.#faults.count > 0) return;
    const batch: Batch = { second, canary, stable };
    const extended = columns.baselineRequests < 0 ? batch : { ...batch, baseline };
    const share = columns.expectedShare < 0 ? undefined : value(columns.expectedShare);
    this.#onRow({ run, batch: share === undefined ? extended : { ...extended, expectedShare: share } });
  }

  #exceeds(line: Line, name: string, arm: ArmBatch): void {
    this.#faults.add(line.number, this.#columnOf(line, name), `expected at most ${arm.requests} errors (the requests), got ${arm.errors}`);
  }

  #isInOrder(line: Line, run: number | null, second: number): boolean {
    const before = this.#lastSecond.get(run);
    if (before === undefined) return this.#opens(line, run, second);
    if (second > before) {
      this.#lastSecond.set(run, second);
      return true;
    }
    const where = run === null ? '' : ` of run ${run}`;
    const got = second === before ? `${second} again` : `${second}`;
    this.#faults.add(line.number, this.#columnOf(line, 'second'), `expected a second after ${before}${where}, got ${got}`);
    return false;
  }

  #opens(line: Line, run: number | null, second: number): boolean {
    if (run !== null && this.#closed.has(run)) {
      this.#faults.add(
        line.number,
        this.#columnOf(line, 'run'),
        `expected the rows of run ${run} together, got more after ${OPEN_RUNS} other runs`,
      );
      return false;
    }
    this.#lastSecond.set(run, second);
    if (this.#lastSecond.size <= OPEN_RUNS) return true;
    const [oldest] = this.#lastSecond.keys();
    if (oldest !== undefined && oldest !== null) this.#closed.add(oldest);
    this.#lastSecond.delete(oldest ?? null);
    return true;
  }

  /** The usual row: nothing but digits and commas, as many fields as columns. False when it is anything else. */
  #digits({ bytes, start, end }: Line): boolean {
    let field = 0;
    let value = 0;
    let digits = 0;
    for (let index = start; index <= end; index += 1) {
      const byte = index < end ? (bytes[index] ?? 0) : COMMA;
      if (byte >= ZERO && byte <= NINE) {
        value = value * 10 + (byte - ZERO);
        digits += 1;
      } else {
        if (byte !== COMMA || digits === 0 || digits > SAFE_DIGITS || field >= this.#values.length) return false;
        this.#values[field] = value;
        field += 1;
        value = 0;
        digits = 0;
      }
    }
    return field === this.#values.length;
  }

  /** A row with a share in it, or with faults: slower, and each one named. */
  #fields(line: Line): boolean {
    const fields = textOf(line).split(',');
    const before = this.#faults.count;
    if (fields.length !== this.#names.length) {
      const column = fields.slice(0, this.#names.length).join(',').length + 1;
      this.#faults.add(line.number, column, `expected ${this.#names.length} fields (${this.#names.join(',')}), got ${fields.length}`);
    }
    let column = 1;
    for (const [index, name] of this.#names.entries()) {
      const field = fields[index];
      if (field === undefined) break;
      const value = name === 'expectedShare' ? shareIn(field) : countIn(field);
      if (typeof value === 'string') this.#faults.add(line.number, column, value);
      else this.#values[index] = value;
      column += field.length + 1;
    }
    return this.#faults.count === before;
  }

  #columnOf(line: Line, name: string): number {
    const index = this.#names.indexOf(name);
    const before = textOf(line).split(',').slice(0, index).join(',').length;
    return index === 0 ? 1 : before + 2;
  }
}

/** The count, or what is wrong with it. */
function countIn(field: string): number | string {
  if (field === '') return 'expected a whole number from 0, got nothing';
  if (!/^\d+$/.test(field)) return `expected a whole number from 0, got ${shown(field)}`;
  const value = Number(field);
  return Number.isSafeInteger(value) ? value : `expected a whole number up to ${Number.MAX_SAFE_INTEGER}, got ${shown(field)}`;
}

function shareIn(field: string): number | string {
  const value = /^(\d+\.?\d*|\.\d+)$/.test(field) ? Number(field) : Number.NaN;
  return value >= 0 && value <= 1 ? value : `expected a share from 0 to 1, got ${shown(field)}`;
}
