import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOfJson } from '../digest.ts';
import { Fault } from '../fault.ts';
import type { Change } from './change.ts';
import { columnsOf, decodeEntry, encodeEntry } from './entry.ts';

const id = '01936f5e-0000-7000-8000-000000000000';
const change: Change = { actor: 'ada', action: 'approval.given', subject: 'approval/7', at: new Date('2026-11-23T07:00:00Z') };

function faultsOf(wrong: Partial<Change>): readonly (string | undefined)[] {
  try {
    encodeEntry(id, { ...change, ...wrong });
    return [];
  } catch (error) {
    return error instanceof Fault ? error.faults.map(({ pointer }) => pointer) : [String(error)];
  }
}

test('the leaf is canonical JSON, whatever the order of the members', () => {
  const leaf = encodeEntry(id, { ...change, after: { b: 1, a: [true, null] }, reason: 'looks good' });

  expect(leaf).toBe(
    `{"action":"approval.given","actor":"ada","after":{"a":[true,null],"b":1},"at":"2026-11-23T07:00:00.000Z","id":"${id}","reason":"looks good","subject":"approval/7"}`,
  );
});

test('every change is read back from its leaf', () => {
  const texts = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.record({ actor: texts, reason: texts, onBehalfOf: texts, after: fc.jsonValue() }), (some) => {
      const leaf = encodeEntry(id, { ...change, ...some });
      const { at, ...rest } = { ...change, ...some };
      expect(decodeEntry(leaf)).toEqual(JSON.parse(JSON.stringify({ id, at: at.toISOString(), ...rest })));
    }),
  );
});

test('an entry shows in the streams of its own and its related subjects, each once', () => {
  const leaf = encodeEntry(id, { ...change, related: ['release/shop@1', 'approval/7', 'release/shop@1'] });

  expect(columnsOf(leaf)).toEqual({
    actor: 'ada',
    action: 'approval.given',
    subject: 'approval/7',
    subjects: ['approval/7', 'release/shop@1'],
  });
});

test('everything wrong with a change is named at once', () => {
  expect(faultsOf({ actor: '', action: 'Approve', subject: 'approval', related: ['release/a', 'b'], at: new Date(Number.NaN) })).toEqual([
    '/actor',
    '/action',
    '/subject',
    '/related/1',
    '/at',
  ]);
});

test('what PostgreSQL or JSON cannot hold is refused before it can stop the sequencer', () => {
  expect(faultsOf({ actor: 'a\0b' })).toEqual(['/actor']);
  expect(faultsOf({ subject: 'release/a\0' })).toEqual(['/subject']);
  expect(faultsOf({ reason: '\ud800' })).toHaveLength(1);
  expect(faultsOf({ after: Number.NaN })).toHaveLength(1);
  expect(faultsOf({ related: Array.from({ length: 65 }, (_, at) => `release/${at}`) })).toEqual(['/related']);
  expect(faultsOf({ reason: 'x'.repeat(70_000) })).toEqual(['/reason']);
});

test('a value too large for an entry is replaced by a commitment to it', () => {
  const after = { configuration: 'é'.repeat(40_000) };

  const entry = decodeEntry(encodeEntry(id, { ...change, before: 1, after }));

  expect(entry?.after).toEqual({ $digest: digestOfJson(after), bytes: Buffer.byteLength(JSON.stringify(after)) });
  expect(entry?.before).toEqual({ $digest: digestOfJson(1), bytes: 1 });
});

test('a leaf that no change wrote is no entry, and has columns the database can hold', () => {
  for (const leaf of ['', 'x', '1', 'null', '[]', '{"id":1}']) {
    expect(decodeEntry(leaf)).toBeUndefined();
    expect(columnsOf(leaf)).toEqual({ actor: '', action: '', subject: '', subjects: [] });
  }
  const hostile = JSON.stringify({ id: '', at: '', actor: 'a\0\ud800', action: 'b', subject: 's'.repeat(9_999), related: [] });
  expect(columnsOf(hostile)).toMatchObject({ actor: 'a\uFFFD\uFFFD', subject: 's'.repeat(512) });
});
