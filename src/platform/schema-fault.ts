import type { z } from 'zod';
import { maximumFaults } from './fault.ts';
import type { FaultItem } from './fault.ts';

export type Path = readonly (string | number)[];

/** A fault that still knows its path, for callers that look up where in a text it stands. */
export interface SchemaFault extends FaultItem {
  readonly path: Path;
  readonly pointer: string;
}

/** RFC 6901. */
export function pointerOf(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Every problem of an input at once (the first 500), in our words: "expected X, got Y". `fields` names the known fields at a path. */
export function schemaFaults(error: z.core.$ZodError, input: unknown, fields?: (path: Path) => readonly string[]): readonly SchemaFault[] {
  const issues = error.issues.slice(0, maximumFaults);
  return issues.flatMap((issue) => faultsOfIssue(issue, [], { input, ...(fields && { fields }) })).slice(0, maximumFaults);
}

interface Context {
  readonly input: unknown;
  readonly fields?: (path: Path) => readonly string[];
}

function faultsOfIssue(issue: z.core.$ZodIssue, base: Path, context: Context): readonly SchemaFault[] {
  const path: Path = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  if (issue.code === 'unrecognized_keys') return issue.keys.slice(0, maximumFaults).map((key) => unknownField(key, path, context));
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return faultsOfUnion(issue, path, context);
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element')
    return issue.issues.flatMap((inner) => faultsOfIssue(inner, path, context));
  return [
    {
      path,
      pointer: pointerOf(path),
      code: codeOf(issue, valueAt(context.input, path)),
      detail: detailOf(issue, valueAt(context.input, path), path.length > 0 ? 'the field is missing' : 'there is none'),
    },
  ];
}

/** Of the alternatives, the one whose first problem lies deepest is what the author most likely meant. */
function faultsOfUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, context: Context): readonly SchemaFault[] {
  const depth = (issues: readonly z.core.$ZodIssue[]): number => Math.max(...issues.map((inner) => inner.path.length));
  const best = issue.errors.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? [];
  if (depth(best) > 0) return best.flatMap((inner) => faultsOfIssue(inner, path, context));
  const value = valueAt(context.input, path);
  const expected = [...new Set(issue.errors.flat().map((inner) => expectationOf(inner)))].join(' or ');
  return [{ path, pointer: pointerOf(path), code: 'value.type', detail: `expected ${expected}, got ${describe(value)}` }];
}

function unknownField(key: string, path: Path, context: Context): SchemaFault {
  const known = context.fields?.(path) ?? [];
  const hint = suggestion(key, known);
  const list = known.length > 0 && known.length <= 12 ? `; known fields: ${known.join(', ')}` : '';
  const full = [...path, key];
  return {
    path: full,
    pointer: pointerOf(full),
    code: 'field.unknown',
    detail: `unknown field "${clip(key)}"${hint ? `, did you mean "${hint}"?` : list}`,
  };
}

function codeOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined && issue.code === 'invalid_type') return 'field.missing';
  const codes: Partial<Record<typeof issue.code, string>> = {
    invalid_type: 'value.type',
    too_big: 'value.too-big',
    too_small: 'value.too-small',
    invalid_format: 'value.format',
    not_multiple_of: 'value.step',
    invalid_value: 'value.unknown',
  };
  return codes[issue.code] ?? 'value.invalid';
}

function detailOf(issue: z.core.$ZodIssue, value: unknown, missing: string): string {
  if (issue.code === 'custom') return issue.message;
  const expectation = `expected ${expectationOf(issue).replace(/^expected /, '')}`;
  if (value === undefined) return `${expectation}, but ${missing}`;
  if (issue.code === 'invalid_value' && issue.values.length > 1 && typeof value === 'string') {
    const hint = suggestion(value, issue.values.map(String));
    return `${expectation}, got ${describe(value)}${hint ? `, did you mean "${hint}"?` : ''}`;
  }
  return `${expectation}, got ${describe(value)}`;
}

function expectationOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return nameOfType(issue.expected);
    case 'invalid_value':
      return issue.values.length === 1 ? JSON.stringify(issue.values[0]) : `one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return boundOf('at least', issue.origin, issue.minimum, issue.inclusive !== false);
    case 'too_big':
      return boundOf('at most', issue.origin, issue.maximum, issue.inclusive !== false);
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return issue.message.startsWith('Invalid ')
        ? `a text of the form ${issue.format === 'regex' ? String(issue.pattern) : issue.format}`
        : issue.message;
    default:
      return issue.message;
  }
}

function boundOf(words: string, origin: string, bound: number | bigint, inclusive: boolean): string {
  const units: Record<string, string> = { string: ' characters', array: ' items', set: ' items', object: ' fields', map: ' fields' };
  const relation = inclusive ? words : words === 'at least' ? 'more than' : 'less than';
  return `${relation} ${bound}${units[origin] ?? ''}`;
}

function nameOfType(expected: string): string {
  const names: Record<string, string> = {
    string: 'a text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map',
    record: 'a map',
  };
  return names[expected] ?? expected;
}

function describe(value: unknown): string {
  if (value === null) return 'nothing (null)';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `the text "${clip(value)}"`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** The candidate within a third of the word's length in edits, or nothing. */
export function suggestion(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  const limit = Math.max(1, Math.floor(word.length / 3));
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .toSorted((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate;
}

/** Optimal string alignment: a swap of neighbours counts once. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(substitution, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
