import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatCheckpointLine, formatEntry, formatHeader, MAX_LINE_BYTES, parseHeader, parseLine } from './export.ts';
import { leafHash } from './merkle-tree.ts';

test('every record is one line and read back from it', () => {
  fc.assert(
    fc.property(fc.nat(), fc.string({ unit: 'binary' }), (index, leaf) => {
      const [entry, checkpoint] = [formatEntry({ index, leaf, hash: leafHash(leaf) }), formatCheckpointLine(leaf)];
      expect([entry, checkpoint].map((line) => line.split('\n').length)).toEqual([2, 2]);
      expect(parseLine(entry)).toEqual({ kind: 'entry', index, leaf, stored: [leafHash(leaf)] });
      expect(parseLine(checkpoint)).toEqual({ kind: 'checkpoint', note: leaf });
    }),
  );
});

test('the header is read back, and nothing else is a header', () => {
  const header = { origin: 'example.com/log', key: 'k', size: 3, checkpoint: 'note\n' };

  expect(parseHeader(formatHeader(header))).toEqual({ format: 'tidegate-ledger-export/1', ...header });
  for (const line of ['', '{}', 'null', '{"format":"tidegate-ledger-export/2"}', formatHeader({ ...header, size: -1 })])
    expect(parseHeader(line)).toBeUndefined();
});

test('a line that is no record says so and never throws', () => {
  for (const line of fc.sample(fc.string(), 200)) expect(() => parseLine(line)).not.toThrow();
  for (const line of ['{"index":1}', '{"leaf":"x"}', '{"index":0,"leaf":"x","hash":"*"}', '[', '7'])
    expect(parseLine(line).kind).toBe('unreadable');
});

test('the largest entry fits a line', () => {
  expect(formatEntry({ index: Number.MAX_SAFE_INTEGER, leaf: '\u0001'.repeat(65_535), hash: leafHash('') }).length).toBeLessThan(
    MAX_LINE_BYTES,
  );
});
