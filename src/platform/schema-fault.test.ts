import { expect, test } from 'vitest';
import { z } from 'zod';
import { assertStrict, fieldsAt, inputSchemaOf } from './json-schema.ts';
import { pointerOf, schemaFaults, suggestion } from './schema-fault.ts';

const Shop = z.strictObject({
  name: z.string().min(2),
  mode: z.enum(['open', 'closed']),
  weights: z.array(z.number().int().max(100)),
  gate: z.union([z.strictObject({ approval: z.string() }), z.strictObject({ soak: z.number() })]).optional(),
});

function faultsOf(input: unknown): readonly string[] {
  const parsed = Shop.safeParse(input);
  if (parsed.success) return [];
  return schemaFaults(parsed.error, input, (path) => fieldsAt(inputSchemaOf(Shop), path)).map(
    (fault) => `${fault.pointer} ${fault.detail}`,
  );
}

test('every fault of an input is named at once, with its pointer and what was expected', () => {
  const faults = faultsOf({ name: 'x', mode: 'opne', weights: [5, 'six', 101], weigths: [] });

  expect(faults).toEqual([
    '/name expected at least 2 characters, got the text "x"',
    '/mode expected one of open, closed, got the text "opne", did you mean "open"?',
    '/weights/1 expected a number, got the text "six"',
    '/weights/2 expected at most 100, got 101',
    '/weigths unknown field "weigths", did you mean "weights"?',
  ]);
});

test('a missing field is called missing', () => {
  expect(faultsOf({ mode: 'open', weights: [] })).toEqual(['/name expected a text, but the field is missing']);
});

test('of several alternatives the one that fits best explains the fault', () => {
  expect(faultsOf({ name: 'ab', mode: 'open', weights: [], gate: { soak: 'long' } })).toEqual([
    '/gate/soak expected a number, got the text "long"',
  ]);
});

test('a fault repeats at most eighty characters of the input', () => {
  expect(faultsOf({ name: 'ab', mode: 'x'.repeat(500), weights: [] })[0]?.length).toBeLessThan(160);
});

test('pointers escape slash and tilde as RFC 6901 says', () => {
  expect(pointerOf(['a/b', 'c~d', 0])).toBe('/a~1b/c~0d/0');
});

test('a suggestion is near, or there is none', () => {
  expect(suggestion('Aplication', ['Application', 'Pipeline'])).toBe('Application');
  expect(suggestion('Zebra', ['Application', 'Pipeline'])).toBeUndefined();
  expect(suggestion('x'.repeat(10_000), ['Application'])).toBeUndefined();
});

test('an input object that drops unknown fields is refused at wiring, however deep it sits', () => {
  const loose = z.strictObject({ list: z.array(z.union([z.string(), z.object({ a: z.string() })])) });

  expect(() => assertStrict(inputSchemaOf(loose), 'route')).toThrow(/strictObject/);
  expect(() => assertStrict(inputSchemaOf(Shop), 'route')).not.toThrow();
});
