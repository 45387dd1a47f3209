import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { Fault } from '../fault.ts';
import { maximumDepth, parseJsonBody } from './json-body.ts';
import { decodeCursor, encodeCursor, pageFrom } from './page.ts';
import { faultOf, problemOf } from './problem.ts';
import { compileInput } from './request-input.ts';
import { entityTag, parseEntityTags, requireVersion } from './version.ts';

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return faultOf(error).code;
  }
}

test('a cursor comes back as the key it was made of', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer(), (text, number) => {
      expect(decodeCursor(encodeCursor([text, number]), z.tuple([z.string(), z.number()]))).toEqual([text, number]);
    }),
  );
});

test('whatever is not a cursor of the list is refused with 400, never with a crash', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const code = codeOf(() => decodeCursor(text, z.tuple([z.string(), z.number()])));
      expect(code).toBe('cursor.malformed');
    }),
  );
  expect(codeOf(() => decodeCursor(encodeCursor(['a']), z.tuple([z.number()])))).toBe('cursor.malformed');
});

test('the last page has no cursor, a full page before it has one', () => {
  expect(pageFrom([1, 2, 3], 3, (n) => [n])).toEqual({ items: [1, 2, 3] });
  expect(pageFrom([1, 2, 3], 2, (n) => [n])).toEqual({ items: [1, 2], nextCursor: encodeCursor([2]) });
});

test('a write decided on another version is refused with the current one', () => {
  expect(() => requireVersion(parseEntityTags(entityTag(3), 'If-Match'), 3)).not.toThrow();
  expect(() => requireVersion(parseEntityTags('"1", "3"', 'If-Match'), 3)).not.toThrow();
  expect(() => requireVersion(parseEntityTags('*', 'If-Match'), 3)).not.toThrow();
  const stale = (() => {
    try {
      return requireVersion(['2'], 3);
    } catch (error) {
      return faultOf(error);
    }
  })();
  expect(stale).toMatchObject({ code: 'version.stale', status: 412, extra: { currentVersion: 3 } });
});

test('an If-Match without quotes is malformed, not ignored', () => {
  expect(codeOf(() => parseEntityTags('3', 'If-Match'))).toBe('version.malformed');
  expect(codeOf(() => parseEntityTags('"3", 4', 'If-Match'))).toBe('version.malformed');
});

test('JSON nested too deep is refused before a tree is built, also when brackets stand in strings', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

  expect(codeOf(() => parseJsonBody(nested(maximumDepth)))).toBeUndefined();
  expect(codeOf(() => parseJsonBody(nested(maximumDepth + 1)))).toBe('body.too-deep');
  expect(codeOf(() => parseJsonBody('['.repeat(1_000_000)))).toBe('body.too-deep');
  expect(parseJsonBody(JSON.stringify({ text: `\\"${'['.repeat(200)}` }))).toEqual({ text: `\\"${'['.repeat(200)}` });
});

test('text that no database can keep is the caller’s mistake, wherever it stands', () => {
  const read = compileInput({ params: z.strictObject({ name: z.string() }), body: z.record(z.string(), z.array(z.string())) }, 'POST /x');
  const faultsOf = (name: string, body: unknown) => {
    try {
      read({ params: { name }, query: {}, body });
      return [];
    } catch (error) {
      return faultOf(error).faults.map(({ pointer }) => pointer);
    }
  };

  expect(faultsOf('shop', { notes: ['fine \u{1f600}'] })).toEqual([]);
  expect(faultsOf('a\0', {})).toEqual(['/params/name']);
  expect(faultsOf('shop', { notes: ['fine', 'half \ud800 a pair'] })).toEqual(['/body/notes/1']);
  expect(faultsOf('shop', { 'key\0': [] })).toEqual(['/body']);
});

test('JSON with a member named __proto__ is refused, however it is written', () => {
  expect(codeOf(() => parseJsonBody('{"a":{"__proto__":{"admin":true}}}'))).toBe('body.forbidden-key');
  expect(codeOf(() => parseJsonBody(String.raw`{"\u005f_proto__":1}`))).toBe('body.forbidden-key');
});

test('malformed JSON is refused with line and column', () => {
  const fault = (() => {
    try {
      return parseJsonBody('{\n  "a": 1,\n  "b" 2\n}');
    } catch (error) {
      return faultOf(error);
    }
  })();
  expect(fault).toMatchObject({ code: 'body.malformed', status: 400, faults: [{ line: 3, column: 7 }] });
});

test('an unforeseen error tells nothing of itself to the outside', () => {
  const problem = problemOf(faultOf(new Error('password of db is hunter2')), 'id-1');

  expect(problem).toMatchObject({ status: 500, code: 'internal', type: '/problems/internal', instance: 'id-1' });
  expect(JSON.stringify(problem)).not.toContain('hunter2');
});

test('a database that is away is 503, without its address', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), { code: 'ECONNREFUSED' });
  const problem = problemOf(faultOf(refused), 'id-1');

  expect(problem).toMatchObject({ status: 503, code: 'database.unavailable' });
  expect(JSON.stringify(problem)).not.toContain('10.0.0.7');
});

test('further members of a problem never replace a standard one', () => {
  const problem = problemOf(
    new Fault({ code: 'freeze.active', status: 423, message: 'frozen', extra: { status: 200, nextOpening: 'tomorrow' } }),
    'id-1',
  );

  expect(problem).toMatchObject({ status: 423, nextOpening: 'tomorrow' });
});
