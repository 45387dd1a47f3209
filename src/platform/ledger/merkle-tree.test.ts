import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CompactRange,
  consistencyRanges,
  emptyRoot,
  type Hash,
  inclusionRanges,
  isConsistent,
  isIncluded,
  leafHash,
  type LeafRange,
  nodeHash,
} from './merkle-tree.ts';

/** The eight leaves and the tree hashes that the implementations of RFC 6962 test each other with. */
const knownLeaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((hex) =>
  Buffer.from(hex, 'hex'),
);
const knownRoots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** RFC 9162 §2.1.1, word for word. */
function treeHash(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return emptyRoot;
  if (leaves.length === 1) return leaves[0] as Hash;
  const k = split(leaves.length);
  return nodeHash(treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
}

/** RFC 9162 §2.1.3.1, word for word. */
function path(m: number, leaves: readonly Hash[]): Hash[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return m < k
    ? [...path(m, leaves.slice(0, k)), treeHash(leaves.slice(k))]
    : [...path(m - k, leaves.slice(k)), treeHash(leaves.slice(0, k))];
}

/** RFC 9162 §2.1.4.1, word for word. */
function subproof(m: number, leaves: readonly Hash[], whole: boolean): Hash[] {
  if (m === leaves.length) return whole ? [] : [treeHash(leaves)];
  const k = split(leaves.length);
  return m <= k
    ? [...subproof(m, leaves.slice(0, k), whole), treeHash(leaves.slice(k))]
    : [...subproof(m - k, leaves.slice(k), false), treeHash(leaves.slice(0, k))];
}

function split(n: number): number {
  return 2 ** (Math.ceil(Math.log2(n)) - 1);
}

function leavesOf(count: number): Hash[] {
  return Array.from({ length: count }, (_, at) => leafHash(`leaf ${at}`));
}

function hashesOf(ranges: readonly LeafRange[], leaves: readonly Hash[]): Hash[] {
  return ranges.map(({ begin, end }) => treeHash(leaves.slice(begin, end)));
}

const size = fc.integer({ min: 1, max: 200 });
const indexAndSize = size.chain((n) => fc.tuple(fc.integer({ min: 0, max: n - 1 }), fc.constant(n)));
const twoSizes = size.chain((n) => fc.tuple(fc.integer({ min: 1, max: n }), fc.constant(n)));

test('the tree hash of the known leaves is the known one, at every size', () => {
  const tree = new CompactRange();
  const roots = [tree.root(), ...knownLeaves.map((leaf) => (tree.append(leafHash(leaf)), tree.root()))];

  expect(roots.map((root) => root.toString('hex'))).toEqual(knownRoots);
});

test('the known consistency proof from 6 to 8 leaves', () => {
  const leaves = knownLeaves.map((leaf) => leafHash(leaf));

  expect(hashesOf(consistencyRanges(6, 8), leaves).map((hash) => hash.toString('hex'))).toEqual([
    '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
    'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  ]);
});

test('a leaf never has the hash of a node with the same bytes', () => {
  const [left, right] = [leafHash('a'), leafHash('b')];

  expect(leafHash(Buffer.concat([left, right]))).not.toEqual(nodeHash(left, right));
});

test('growing leaf by leaf gives the tree hash of the definition', () => {
  fc.assert(
    fc.property(size, (n) => {
      const tree = new CompactRange();
      for (const leaf of leavesOf(n)) tree.append(leaf);
      expect(tree.root()).toEqual(treeHash(leavesOf(n)));
    }),
  );
});

test('a tree that is told its subtrees goes on like one that never stopped', () => {
  const whole = new CompactRange();
  for (const leaf of leavesOf(11)) whole.append(leaf);
  const resumed = new CompactRange(6, hashesOf([{ begin: 0, end: 4 }, { begin: 4, end: 6 }], leavesOf(11))); // prettier-ignore

  for (const leaf of leavesOf(11).slice(6)) resumed.append(leaf);

  expect(resumed.root()).toEqual(whole.root());
  expect(() => new CompactRange(6, [])).toThrow('expected 2 nodes');
});

describe('inclusion', () => {
  test('proofs are those of the definition, and hold', () => {
    fc.assert(
      fc.property(indexAndSize, ([index, n]) => {
        const leaves = leavesOf(n);
        const proof = hashesOf(inclusionRanges(index, n), leaves);
        expect(proof).toEqual(path(index, leaves));
        expect(isIncluded({ index, size: n, leafHash: leaves[index] as Hash, proof, root: treeHash(leaves) })).toBe(true);
      }),
    );
  });

  test('a proof holds for no other leaf, index, size, root, and with no hash changed, added or left out', () => {
    fc.assert(
      fc.property(indexAndSize, fc.nat(), ([index, n], seed) => {
        const leaves = leavesOf(n);
        const proof = hashesOf(inclusionRanges(index, n), leaves);
        const claim = { index, size: n, leafHash: leaves[index] as Hash, proof, root: treeHash(leaves) };
        const other = leafHash('other');
        const position = proof.length === 0 ? 0 : seed % proof.length;
        const wrong = [
          { ...claim, leafHash: other },
          { ...claim, root: other },
          { ...claim, index: index + 1 },
          { ...claim, index: n },
          { ...claim, index: -1 },
          { ...claim, proof: [...proof, other] },
          ...(proof.length > 0
            ? [
                { ...claim, proof: proof.slice(1) },
                { ...claim, proof: proof.with(position, other) },
              ]
            : []),
        ];
        expect(wrong.map(isIncluded)).toEqual(wrong.map(() => false));
      }),
    );
  });

  test('asking for an entry beyond the tree is refused', () => {
    expect(() => inclusionRanges(5, 5)).toThrow('expected an index below the tree size 5, got 5');
  });
});

describe('consistency', () => {
  test('proofs are those of the definition, and hold', () => {
    fc.assert(
      fc.property(twoSizes, ([from, to]) => {
        const leaves = leavesOf(to);
        const proof = hashesOf(consistencyRanges(from, to), leaves);
        expect(proof).toEqual(subproof(from, leaves, true));
        expect(isConsistent({ from, to, fromRoot: treeHash(leaves.slice(0, from)), toRoot: treeHash(leaves), proof })).toBe(true);
      }),
    );
  });

  test('a tree whose past was changed has no proof', () => {
    fc.assert(
      fc.property(twoSizes, fc.nat(), ([from, to], seed) => {
        const leaves = leavesOf(to);
        const changed = leaves.with(seed % from, leafHash('changed'));
        const proof = hashesOf(consistencyRanges(from, to), changed);
        const claim = { from, to, fromRoot: treeHash(leaves.slice(0, from)), toRoot: treeHash(changed), proof };
        expect(isConsistent(claim)).toBe(false);
        expect(isConsistent({ ...claim, fromRoot: treeHash(changed.slice(0, from)), proof: [...proof, emptyRoot] })).toBe(false);
      }),
    );
  });

  test('the empty tree is the beginning of every tree', () => {
    const toRoot = treeHash(leavesOf(3));

    expect(isConsistent({ from: 0, to: 3, fromRoot: emptyRoot, toRoot, proof: [] })).toBe(true);
    expect(isConsistent({ from: 0, to: 3, fromRoot: toRoot, toRoot, proof: [] })).toBe(false);
  });
});

test('sizes beyond 2^32 do not wrap around', () => {
  const [index, n] = [2 ** 40 + 3, 2 ** 40 + 5];

  expect(inclusionRanges(index, n)).toEqual([
    { begin: 2 ** 40 + 2, end: 2 ** 40 + 3 },
    { begin: 2 ** 40, end: 2 ** 40 + 2 },
    { begin: 2 ** 40 + 4, end: 2 ** 40 + 5 },
    { begin: 0, end: 2 ** 40 },
  ]);
});
