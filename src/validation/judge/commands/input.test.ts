import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fault } from '../../../platform/fault.ts';
import { CountsReader, type CountsRow } from './counts-csv.ts';
import { InputFaults } from './input-faults.ts';
import { JsonLines, type JsonLine } from './json-lines.ts';
import { brokenAt, columnOf } from './json-place.ts';

const header = 'run,second,canaryRequests,stableRequests,canaryErrors,stableErrors';

interface Read {
  readonly rows: readonly CountsRow[];
  /** `line:column detail` of each fault. */
  readonly faults: readonly string[];
}

function read(text: string, chunkSize = 7): Read {
  const faults = new InputFaults('counts.csv');
  const rows: CountsRow[] = [];
  const reader = new CountsReader(faults, (row) => rows.push(row));
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += chunkSize) reader.push(bytes.subarray(at, at + chunkSize));
  reader.end();
  return { rows, faults: faultsIn(faults) };
}

function faultsIn(faults: InputFaults): readonly string[] {
  try {
    faults.throwIfAny('correct it');
    return [];
  } catch (cause) {
    return (cause as Fault).faults.map(({ line, column, detail }) => (line === undefined ? detail : `${line}:${column} ${detail}`));
  }
}

const faultsOf = (...rows: readonly string[]): readonly string[] => read([header, ...rows].join('\n')).faults;

describe('counts', () => {
  test('are read the same however the stream is cut into chunks', () => {
    const row = fc.tuple(fc.nat(99), fc.nat(99)).map(([requests, errors]) => ({ requests: requests + errors, errors }));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(row, row), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 200 }),
        fc.boolean(),
        (pairs, size, crlf) => {
          const lines = pairs.map(([c, s], second) => `3,${second},${c.requests},${s.requests},${c.errors},${s.errors}`);
          const { rows, faults } = read([header, ...lines].join(crlf ? '\r\n' : '\n'), size);
          expect(faults).toEqual([]);
          expect(rows).toEqual(pairs.map(([canary, stable], second) => ({ run: 3, batch: { second, canary, stable } })));
        },
      ),
    );
  });

  test('may have their columns in another order, no run, and a byte order mark', () => {
    const { rows, faults } = read('\uFEFFstableErrors,second,canaryErrors,stableRequests,canaryRequests\n2,9,1,190,10\n');
    expect(faults).toEqual([]);
    expect(rows).toEqual([{ run: null, batch: { second: 9, canary: { requests: 10, errors: 1 }, stable: { requests: 190, errors: 2 } } }]);
  });

  test('may come with the weight that was set and a fresh baseline', () => {
    const { rows } = read(`${header},expectedShare,baselineRequests,baselineErrors\n0,1,10,190,0,2,0.05,11,1`);
    expect(rows[0]?.batch).toMatchObject({ expectedShare: 0.05, baseline: { requests: 11, errors: 1 } });
  });

  test('may interleave runs', () => {
    const { rows, faults } = read([header, '0,0,1,1,0,0', '1,0,1,1,0,0', '0,1,1,1,0,0'].join('\n'));
    expect(faults).toEqual([]);
    expect(rows.map(({ run }) => run)).toEqual([0, 1, 0]);
  });

  test.each([
    ['0,0,-1,1,0,0', '2:5 expected a whole number from 0, got "-1"'],
    ['0,0,1,1.5,0,0', '2:7 expected a whole number from 0, got "1.5"'],
    ['0,0,1,1,Infinity,0', '2:9 expected a whole number from 0, got "Infinity"'],
    ['0,0,1,1,0,NaN', '2:11 expected a whole number from 0, got "NaN"'],
    ['0,0,,1,0,0', '2:5 expected a whole number from 0, got nothing'],
    ['0,0,1e3,1,0,0', '2:5 expected a whole number from 0, got "1e3"'],
    ['0,0, 1,1,0,0', '2:5 expected a whole number from 0, got " 1"'],
    ['0,0,"1",1,0,0', '2:5 expected a whole number from 0, got ""1""'],
    ['0,0,99999999999999999,1,0,0', '2:5 expected a whole number up to 9007199254740991, got "99999999999999999"'],
    ['0,0,1,1,2,0', '2:9 expected at most 1 errors (the requests), got 2'],
    ['0,0,1,1,0,7', '2:11 expected at most 1 errors (the requests), got 7'],
    ['0,0,1,1,0', `2:10 expected 6 fields (${header}), got 5`],
    ['0,0,1,1,0,0,0', `2:12 expected 6 fields (${header}), got 7`],
  ])('row %s: %s', (row, fault) => {
    expect(faultsOf(row)).toEqual([fault]);
  });

  test('seconds out of order and repeated seconds are refused, in each run', () => {
    expect(faultsOf('0,5,1,1,0,0', '0,5,1,1,0,0')).toEqual(['3:3 expected a second after 5 of run 0, got 5 again']);
    expect(faultsOf('0,5,1,1,0,0', '0,4,1,1,0,0')).toEqual(['3:3 expected a second after 5 of run 0, got 4']);
    expect(faultsOf('0,5,1,1,0,0', '1,5,1,1,0,0')).toEqual([]);
  });

  test('a run that comes back after a thousand others is refused', () => {
    const others = Array.from({ length: 1001 }, (_, index) => `${index + 1},0,1,1,0,0`);
    expect(faultsOf('0,0,1,1,0,0', ...others, '0,1,1,1,0,0')).toEqual([
      '1004:1 expected the rows of run 0 together, got more after 1000 other runs',
    ]);
  });

  test('all faults of an input are told at once', () => {
    expect(faultsOf('0,0,-1,x,0,0', '0,1,1,1,0,0', '0,1,1,1,9,9')).toEqual([
      '2:5 expected a whole number from 0, got "-1"',
      '2:8 expected a whole number from 0, got "x"',
      '4:3 expected a second after 1 of run 0, got 1 again',
      '4:9 expected at most 1 errors (the requests), got 9',
      '4:11 expected at most 1 errors (the requests), got 9',
    ]);
  });

  test('fifty faults are shown and the rest counted', () => {
    const faults = faultsOf(...Array.from({ length: 70 }, () => 'x,0,1,1,0,0'));
    expect(faults).toHaveLength(51);
    expect(faults.at(-1)).toBe('and 20 more');
  });

  test('a header with other names, with one arm only, twice the same name or half a baseline is refused', () => {
    expect(read('run,second,requests,stableRequests,canaryErrors,stableErrors\n').faults).toEqual([
      '1:12 expected one of second, canaryRequests, stableRequests, canaryErrors, stableErrors, run, expectedShare, baselineRequests, baselineErrors, got "requests"',
      '1:61 expected the columns second, canaryRequests, stableRequests, canaryErrors, stableErrors; missing canaryRequests',
    ]);
    expect(read('second,canaryRequests,canaryErrors\n').faults).toEqual([
      '1:35 expected the columns second, canaryRequests, stableRequests, canaryErrors, stableErrors; missing stableRequests, stableErrors',
    ]);
    expect(read(`${header},run\n`).faults).toEqual(['1:68 expected each column once, got run again']);
    expect(read(`${header},baselineErrors\n`).faults).toEqual([
      '1:82 expected baselineRequests and baselineErrors together, got one of them',
    ]);
  });

  test('an empty input and a header alone are refused', () => {
    expect(read('').faults).toEqual([`1:1 expected the header ${header}, got an empty input`]);
    expect(read(`${header}\n`).faults).toEqual(['2:1 expected at least one row of counts, got none']);
    expect(read('\n\n').faults[0]).toContain('1:1 expected one of second');
  });

  test('an empty line is allowed at the end only', () => {
    expect(faultsOf('0,0,1,1,0,0', '', '')).toEqual([]);
    expect(faultsOf('0,0,1,1,0,0', '', '0,1,1,1,0,0')).toEqual(['3:1 expected a row, got an empty line']);
  });

  test('a line without end does not fill the memory', () => {
    const faults = new InputFaults('counts.csv');
    const reader = new CountsReader(faults, () => undefined);
    const chunk = new TextEncoder().encode('1'.repeat(60_000));
    reader.push(new TextEncoder().encode(`${header}\n`));
    for (let round = 0; round < 200; round += 1) reader.push(chunk);
    reader.push(new TextEncoder().encode('\n0,1,1,1,0,0\n'));
    reader.end();
    expect(faultsIn(faults)).toEqual(['2:1 expected a row of at most 65536 bytes']);
  });
});

describe('JSON lines', () => {
  function lines(text: string): { readonly values: readonly unknown[]; readonly faults: readonly string[] } {
    const faults = new InputFaults('batches.jsonl');
    const seen: JsonLine[] = [];
    const reader = new JsonLines(faults, (line) => seen.push(line));
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += 5) reader.push(bytes.subarray(at, at + 5));
    reader.end();
    return { values: seen.map(({ value }) => value), faults: faultsIn(faults) };
  }

  test('are values, one a line', () => {
    expect(lines('{"a":1}\n{"a":2}\r\n\n')).toEqual({ values: [{ a: 1 }, { a: 2 }], faults: [] });
  });

  test.each([
    ['{"canary":[1,NaN]}', '1:14 expected JSON, got "NaN"'],
    ['{"canary":[1,-Infinity]}', '1:14 expected JSON, got "-Infinity"'],
    ['{"canary":[1,2}', '1:15 expected JSON, got "}"'],
    ['{"canary":[1', '1:13 expected JSON, got the end of the line'],
    ["{'canary':1}", '1:2 expected JSON, got "\'"'],
    ['{"a":1} x', '1:9 expected JSON, got "x"'],
    ['{"a":01}', '1:7 expected JSON, got "1"'],
    ['', '1:1 expected one JSON object a line, got an empty input'],
  ])('%s: %s', (text, fault) => {
    expect(lines(text).faults).toEqual([fault]);
  });

  test('the place of a value is its column', () => {
    const text = '{ "a\\"b" : [1, {"c": "x,]"} , 22], "d":{"e":null}}';
    const json = JSON.parse(text) as Record<string, unknown>;
    expect(json['a"b']).toEqual([1, { c: 'x,]' }, 22]);
    expect(text.slice(columnOf(text, ['a"b', 2]) - 1)).toMatch(/^22/);
    expect(text.slice(columnOf(text, ['a"b', 1, 'c']) - 1)).toMatch(/^"x/);
    expect(text.slice(columnOf(text, ['d', 'e']) - 1)).toMatch(/^null/);
    expect(columnOf(text, ['missing', 'deeper'])).toBe(1);
    expect(text.slice(columnOf(text, ['d', 'missing']) - 1)).toMatch(/^\{"e"/);
  });

  test('whatever JSON it is, nothing is broken before its end, and every value is found', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(brokenAt(text)).toBe(text.length);
        expect(brokenAt(`${text} ]`)).toBeGreaterThanOrEqual(text.trimEnd().length);
      }),
    );
  });
});
