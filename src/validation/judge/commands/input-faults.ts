import { Fault, type FaultItem } from '../../../platform/fault.ts';

/** What a person has to correct, at most this many of them; the rest is counted. */
const SHOWN = 50;

/** The faults of one input, in the order they were met. Memory stays constant however bad the input is. */
export class InputFaults {
  readonly #source: string;
  readonly #items: FaultItem[] = [];
  #count = 0;

  constructor(source: string) {
    this.#source = source;
  }

  add(line: number, column: number, detail: string): void {
    this.#count += 1;
    if (this.#items.length < SHOWN) this.#items.push({ line, column, detail });
  }

  get count(): number {
    return this.#count;
  }

  /** Throws `judge.input` when anything was added. */
  throwIfAny(remedy: string): void {
    if (this.#count === 0) return;
    const more = this.#count - this.#items.length;
    const items = more > 0 ? [...this.#items, { detail: `and ${more} more` }] : this.#items;
    throw badInput(this.#source, items, remedy);
  }
}

/** A fault of what the user gave: exit code 2. */
export function badInput(source: string, faults: readonly FaultItem[], remedy: string): Fault {
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`;
  return new Fault({ code: 'judge.input', status: 422, message: `${source}: ${count}`, remedy, faults, extra: { source } });
}

/** How a value is shown back: short, quoted, without control characters. */
export function shown(text: string): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '\uFFFD');
  return clean.length > 60 ? `"${clean.slice(0, 57)}…"` : `"${clean}"`;
}
