import { shown } from './input-faults.ts';
import type { Path } from './json-place.ts';

/** Reads fields of a JSON object one by one; what does not fit is said with its path, and the default stands in for it. */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #path: Path;
  readonly #complain: (path: Path, detail: string) => void;

  constructor(value: unknown, path: Path, complain: (path: Path, detail: string) => void) {
    this.#path = path;
    this.#complain = complain;
    this.#record = isRecord(value) ? value : {};
    if (!isRecord(value)) complain(path, `expected an object, got ${described(value)}`);
  }

  has(name: string): boolean {
    return this.#record[name] !== undefined && this.#record[name] !== null;
  }

  get names(): readonly string[] {
    return Object.keys(this.#record);
  }

  raw(name: string): unknown {
    return Object.hasOwn(this.#record, name) ? this.#record[name] : undefined;
  }

  at(name: string): Path {
    return [...this.#path, name];
  }

  complain(name: string, detail: string): void {
    this.#complain(this.at(name), detail);
  }

  complainAt(name: string, index: number, detail: string): void {
    this.#complain([...this.at(name), index], detail);
  }

  object(name: string): Fields {
    return new Fields(this.has(name) ? this.raw(name) : {}, this.at(name), this.#complain);
  }

  list(name: string): readonly unknown[] {
    const value = this.raw(name);
    if (Array.isArray(value)) return value;
    if (this.has(name)) this.complain(name, `expected a list, got ${described(value)}`);
    return [];
  }

  objects(name: string): readonly Fields[] {
    return this.list(name).map((item, index) => new Fields(item, [...this.at(name), index], this.#complain));
  }

  text(name: string): string | undefined {
    const value = this.raw(name);
    if (!this.has(name)) return undefined;
    if (typeof value === 'string') return value;
    this.complain(name, `expected a text, got ${described(value)}`);
    return undefined;
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name);
    if (!this.has(name)) return undefined;
    if (typeof value === 'boolean') return value;
    this.complain(name, `expected true or false, got ${described(value)}`);
    return undefined;
  }

  /** `holds` decides beyond being a finite number. */
  number(name: string, expected = 'a number', holds: (value: number) => boolean = () => true): number | undefined {
    const value = this.raw(name);
    if (!this.has(name)) return undefined;
    if (typeof value === 'number' && holds(value)) return value;
    this.complain(name, `expected ${expected}, got ${described(value)}`);
    return undefined;
  }

  /** A whole number, or one written as text, as Kubernetes allows. */
  count(name: string, minimum: number): number | undefined {
    const value = this.raw(name);
    const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
    if (!this.has(name)) return undefined;
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= minimum) return number;
    this.complain(name, `expected a whole number from ${minimum}, got ${described(value)}`);
    return undefined;
  }

  /** Seconds, as a number or in Go's notation ("90s", "1m30s"). */
  seconds(name: string): number | undefined {
    const value = this.raw(name);
    const seconds = typeof value === 'string' ? goSeconds(value) : value;
    if (!this.has(name)) return undefined;
    if (typeof seconds === 'number' && seconds >= 0) return seconds;
    this.complain(name, `expected a duration like "30s" or "1m30s", got ${described(value)}`);
    return undefined;
  }
}

const UNITS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 };

function goSeconds(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|µs|ns))+$/.test(text)) return text === '0' ? 0 : undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g);
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ''] ?? 0), 0);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function described(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return shown(value);
  if (Array.isArray(value)) return 'a list';
  return isRecord(value) ? 'an object' : JSON.stringify(value);
}

/** An object without the keys whose value is undefined, so that a default is not covered. */
export function given<T extends object>(fields: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}
