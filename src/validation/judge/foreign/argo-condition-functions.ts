import type { Node } from './argo-condition-syntax.ts';

export interface Scope {
  /** What the metric provider answered; null when it answered nothing. */
  readonly result: unknown;
  /** `#` inside a predicate. */
  readonly element?: unknown;
}

interface Evaluator {
  readonly valueOf: (node: Node, scope: Scope) => unknown;
  readonly fail: (message: string) => never;
}

type Call = Extract<Node, { kind: 'call' }>;
type Plain = (args: readonly unknown[], scope: Scope, fail: Evaluator['fail']) => unknown;

const PREDICATES: Readonly<Record<string, (items: readonly unknown[], holds: (item: unknown) => unknown) => unknown>> = {
  all: (items, holds) => items.every((item) => holds(item) === true),
  any: (items, holds) => items.some((item) => holds(item) === true),
  none: (items, holds) => !items.some((item) => holds(item) === true),
  one: (items, holds) => items.filter((item) => holds(item) === true).length === 1,
  count: (items, holds) => items.filter((item) => holds(item) === true).length,
  filter: (items, holds) => items.filter((item) => holds(item) === true),
  map: (items, holds) => items.map((item) => holds(item)),
};

/** `default` and `isNil` look at the measurement, whatever their first argument is: so does Argo. */
const PLAIN: Readonly<Record<string, Plain>> = {
  default: ([, fallback], { result }) => result ?? fallback,
  isNil: (_, { result }) => result === null || result === undefined,
  asFloat: ([value], _, fail) => (typeof value === 'string' ? parsedFloat(value, fail) : numeric(value, 'asFloat', fail)),
  asInt: ([value], _, fail) => (typeof value === 'string' ? parsedInt(value, fail) : Math.trunc(numeric(value, 'asInt', fail))),
  isNaN: ([value], _, fail) => Number.isNaN(numeric(value, 'isNaN', fail)),
  isInf: ([value], _, fail) => Math.abs(numeric(value, 'isInf', fail)) === Infinity,
  float: ([value], _, fail) => (typeof value === 'string' ? parsedFloat(value, fail) : numeric(value, 'float', fail)),
  int: ([value], _, fail) => (typeof value === 'string' ? parsedInt(value, fail) : Math.trunc(numeric(value, 'int', fail))),
  abs: ([value], _, fail) => Math.abs(numeric(value, 'abs', fail)),
  ceil: ([value], _, fail) => Math.ceil(numeric(value, 'ceil', fail)),
  floor: ([value], _, fail) => Math.floor(numeric(value, 'floor', fail)),
  round: ([value], _, fail) => Math.sign(numeric(value, 'round', fail)) * Math.round(Math.abs(numeric(value, 'round', fail))),
  len: ([value], _, fail) => lengthOf(value, fail),
  max: (args, _, fail) => Math.max(...numbersIn(args, 'max', fail)),
  min: (args, _, fail) => Math.min(...numbersIn(args, 'min', fail)),
  sum: (args, _, fail) => numbersIn(args, 'sum', fail).reduce((total, value) => total + value, 0),
  mean: (args, _, fail) => average(numbersIn(args, 'mean', fail)),
  median: (args, _, fail) => median(numbersIn(args, 'median', fail)),
  first: ([value], _, fail) => listOf(value, 'first', fail)[0] ?? null,
  last: ([value], _, fail) => listOf(value, 'last', fail).at(-1) ?? null,
  lower: ([value], _, fail) => textOf(value, 'lower', fail).toLowerCase(),
  upper: ([value], _, fail) => textOf(value, 'upper', fail).toUpperCase(),
  trim: ([value], _, fail) => textOf(value, 'trim', fail).trim(),
};

export function isFunction(name: string): boolean {
  return Object.hasOwn(PREDICATES, name) || Object.hasOwn(PLAIN, name);
}

export function callFunction(node: Call, scope: Scope, { valueOf, fail }: Evaluator): unknown {
  const predicate = PREDICATES[node.name];
  const [source, body] = node.args;
  if (predicate) {
    if (!source || !body) return fail(`not enough arguments to call ${node.name}`);
    return predicate(listOf(valueOf(source, scope), node.name, fail), (element) => valueOf(body, { ...scope, element }));
  }
  const args = node.args.map((arg) => valueOf(arg, scope));
  if (args.length === 0) return fail(`not enough arguments to call ${node.name}`);
  return PLAIN[node.name]?.(args, scope, fail);
}

function numeric(value: unknown, name: string, fail: Evaluator['fail']): number {
  return typeof value === 'number' ? value : fail(`${name}() not supported on ${value === null ? 'nil' : typeof value}`);
}

function parsedFloat(text: string, fail: Evaluator['fail']): number {
  const special: Readonly<Record<string, number>> = { nan: Number.NaN, inf: Infinity, '+inf': Infinity, '-inf': -Infinity };
  const known = special[text.toLowerCase()];
  if (known !== undefined) return known;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : fail(`parsing "${text}": invalid syntax`);
}

function parsedInt(text: string, fail: Evaluator['fail']): number {
  return /^[+-]?\d+$/.test(text) ? Number(text) : fail(`parsing "${text}": invalid syntax`);
}

function listOf(value: unknown, name: string, fail: Evaluator['fail']): readonly unknown[] {
  return Array.isArray(value) ? value : fail(`builtin ${name} takes only array (got ${value === null ? 'nil' : typeof value})`);
}

function textOf(value: unknown, name: string, fail: Evaluator['fail']): string {
  return typeof value === 'string' ? value : fail(`invalid argument for ${name}`);
}

function lengthOf(value: unknown, fail: Evaluator['fail']): number {
  if (typeof value === 'string') return Array.from(value).length;
  if (Array.isArray(value)) return value.length;
  return typeof value === 'object' && value !== null ? Object.keys(value).length : fail('invalid argument for len');
}

function numbersIn(args: readonly unknown[], name: string, fail: Evaluator['fail']): readonly number[] {
  const values = args.flat(Infinity).map((value) => numeric(value, name, fail));
  return values.length > 0 || name === 'sum' || name === 'mean' ? values : fail(`not enough arguments to call ${name}`);
}

function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor((sorted.length - 1) / 2);
  return ((sorted[middle] ?? 0) + (sorted[sorted.length - 1 - middle] ?? 0)) / 2;
}
