import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CompactRange, consistencyRanges, inclusionRanges, isConsistent, isIncluded, leafHash, nodeHash } from './merkle-tree.ts';
import {
  decodeBundle,
  encodeBundle,
  parseTilePath,
  rangeHashes,
  type Tile,
  tilePath,
  tilesFor,
  tilesOf,
  tilesToGoOn,
  TileTree,
  tileWidth,
} from './tiles.ts';

const leaves = Array.from({ length: 70_000 }, (_, at) => leafHash(`leaf ${at}`));

/** Every tile of a tree, kept as the sequencer keeps them. */
function tilesAt(size: number, batch = size): Map<string, Tile> {
  const kept = new Map<string, Tile>();
  const tree = new TileTree();
  for (let at = 0; at < size; at += batch) {
    for (const leaf of leaves.slice(at, Math.min(at + batch, size))) tree.append(leaf);
    for (const tile of tree.takeChanged()) kept.set(`${tile.level}/${tile.index}`, tile);
  }
  return kept;
}

function rootOf(size: number): Buffer {
  const range = new CompactRange();
  for (const leaf of leaves.slice(0, size)) range.append(leaf);
  return range.root();
}

test('paths are those of the specification', () => {
  expect(tilePath({ level: 0, index: 1234067, width: 256 })).toBe('tile/0/x001/x234/067');
  expect(tilePath({ level: 3, index: 0, width: 8 })).toBe('tile/3/000.p/8');
  expect(tilePath({ level: 'entries', index: 999, width: 255 })).toBe('tile/entries/999.p/255');
});

test('every path is read back, and nothing else is a path', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 63 }), fc.nat(2 ** 40), fc.integer({ min: 1, max: 256 }), (level, index, width) => {
      expect(parseTilePath(tilePath({ level, index, width }))).toEqual({ level, index, width });
    }),
  );
  for (const path of [
    'tile/64/000',
    'tile/00/000',
    'tile/0/0',
    'tile/0/001/000',
    'tile/0/x000/001',
    'tile/0/000.p/256',
    'tile/0/000.p/0',
    'tile/0/000.p/08',
    'tile/0/../000',
    'tile/data/000',
    'tile/0/000/',
  ])
    expect([path, parseTilePath(path)]).toEqual([path, undefined]);
});

test('a tree of 70,000 leaves has the tiles the specification counts', () => {
  const tiles = [...tilesOf(70_000)];

  expect(tiles.filter(({ level, width }) => level === 0 && width === 256)).toHaveLength(273);
  expect(tiles.filter(({ width }) => width < 256)).toEqual([
    { level: 0, index: 273, width: 112 },
    { level: 1, index: 1, width: 17 },
    { level: 2, index: 0, width: 1 },
  ]);
  expect([...tilesOf(256)]).toEqual([
    { level: 0, index: 0, width: 256 },
    { level: 1, index: 0, width: 1 },
  ]);
  expect(tileWidth({ level: 0, index: 274 }, 70_000)).toBe(0);
});

test('each hash of an upper tile is the tree hash of the full tile below', () => {
  const tiles = tilesAt(70_000, 999);
  let row = leaves.slice(256, 512);
  while (row.length > 1)
    row = Array.from({ length: row.length / 2 }, (_, at) => nodeHash(row[2 * at] as Buffer, row[2 * at + 1] as Buffer));

  expect(tiles.get('1/0')?.hashes.subarray(32, 64)).toEqual(row[0]);
  expect(new Set(tiles.keys())).toEqual(new Set([...tilesOf(70_000)].map(({ level, index }) => `${level}/${index}`)));
});

test('tiles are the same whatever batches they grew in', () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 1_500 }), fc.integer({ min: 1, max: 600 }));
  fc.assert(
    fc.property(sizes, ([size, batch]) => {
      expect(tilesAt(size, batch)).toEqual(tilesAt(size));
    }),
    { numRuns: 30 },
  );
});

test('a tree goes on from its tiles as if it had never stopped', () => {
  for (const size of [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 69_999]) {
    const tiles = tilesAt(size, 4_096);
    const needed = tilesToGoOn(size).flatMap(({ level, index }) => tiles.get(`${level}/${index}`) ?? []);

    const resumed = new TileTree(size, needed);
    resumed.append(leaves[size] as Buffer);

    expect(resumed.root()).toEqual(rootOf(size + 1));
    for (const tile of resumed.takeChanged()) tiles.set(`${tile.level}/${tile.index}`, tile);
    expect(tiles).toEqual(tilesAt(size + 1, 4_096));
  }
});

test('a tree does not go on from missing or shortened tiles', () => {
  const tiles = tilesAt(600);
  const needed = tilesToGoOn(600).flatMap(({ level, index }) => tiles.get(`${level}/${index}`) ?? []);
  const shortened = needed.map(({ level, index, hashes }) => ({ level, index, hashes: hashes.subarray(32) }));

  expect(() => new TileTree(600, [])).toThrow('got 0');
  expect(() => new TileTree(600, shortened)).toThrow('expected at least');
});

test('proofs computed from tiles hold', () => {
  const size = 66_000;
  const tiles = tilesAt(size, 5_000);
  const root = rootOf(size);
  const proofOf = (ranges: Parameters<typeof tilesFor>[0]) => rangeHashes(ranges, tilesFor(ranges).flatMap(({ level, index }) => tiles.get(`${level}/${index}`) ?? [])); // prettier-ignore
  fc.assert(
    fc.property(fc.integer({ min: 0, max: size - 1 }), (index) => {
      const proof = proofOf(inclusionRanges(index, size));
      expect(isIncluded({ index, size, leafHash: leaves[index] as Buffer, proof, root })).toBe(true);
    }),
    { numRuns: 50 },
  );
  for (const from of [1, 255, 256, 300, 65_536, 65_999, size]) {
    const proof = proofOf(consistencyRanges(from, size));
    expect(isConsistent({ from, to: size, fromRoot: rootOf(from), toRoot: root, proof })).toBe(true);
  }
});

test('a proof needs few tiles, whatever the size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (size, share) => {
      expect(tilesFor(inclusionRanges(Math.floor(size * share), size)).length).toBeLessThanOrEqual(11);
    }),
  );
});

test('entry bundles keep every entry, byte for byte', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed())), (entries) => {
      expect(decodeBundle(encodeBundle(entries))).toEqual(entries);
    }),
  );
  expect(encodeBundle(['a', 'é'])).toEqual(Buffer.from('0001610002c3a9', 'hex'));
});

test('an entry too long for a bundle, and a bundle cut off, are refused', () => {
  expect(() => encodeBundle(['x'.repeat(65_536)])).toThrow('at most 65535 bytes');
  expect(() => decodeBundle(encodeBundle(['abc']).subarray(0, -1))).toThrow('expected a whole entry at byte 0');
  expect(() => decodeBundle(Buffer.of(0))).toThrow('expected a whole entry at byte 0');
});
