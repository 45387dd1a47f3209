import { hash } from 'node:crypto';

/**
 * The Merkle tree of RFC 9162 §2.1 (the same tree as RFC 6962): tree hashes, inclusion and consistency proofs and their
 * verification. Indexes and sizes are safe integers; shifts are divisions because `>>` cuts at 32 bits.
 */
export type Hash = Buffer;

const HASH_BYTES = 32;
/** MTH of the empty list: the hash of nothing. */
export const emptyRoot: Hash = hash('sha256', '', 'buffer');

export function leafHash(leaf: Uint8Array | string): Hash {
  const bytes = Buffer.allocUnsafe(1 + (typeof leaf === 'string' ? Buffer.byteLength(leaf) : leaf.length));
  bytes[0] = 0;
  if (typeof leaf === 'string') bytes.write(leaf, 1);
  else bytes.set(leaf, 1);
  return hash('sha256', bytes, 'buffer');
}

// One block for all calls: hashing is synchronous, and an allocation per node costs a quarter of the verification rate.
const nodeInput = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

export function nodeHash(left: Hash, right: Hash): Hash {
  if (left.length !== HASH_BYTES || right.length !== HASH_BYTES) throw new RangeError('expected two hashes of 32 bytes');
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  return hash('sha256', nodeInput, 'buffer');
}

/** A perfect subtree: the leaves [index · 2^level, (index + 1) · 2^level). */
export interface Subtree {
  readonly level: number;
  readonly index: number;
}

/** Leaves [begin, end). */
export interface LeafRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * A growing tree in O(log n) memory: the perfect subtrees that make up [0, size), left to right. Appending costs one hash
 * on average; `root` costs at most log2(size).
 */
export class CompactRange {
  #size: number;
  readonly #nodes: Hash[];

  /** `nodes` are the hashes of `perfectSubtrees({ begin: 0, end: size })`. */
  constructor(size = 0, nodes: readonly Hash[] = []) {
    const expected = perfectSubtrees({ begin: 0, end: size }).length;
    if (nodes.length !== expected) throw new RangeError(`expected ${expected} nodes for a tree of ${size} leaves, got ${nodes.length}`);
    this.#size = size;
    this.#nodes = [...nodes];
  }

  get size(): number {
    return this.#size;
  }

  /** Calls `completed` for the leaf itself (level 0) and for every subtree that this leaf completes, smallest first. */
  append(leaf: Hash, completed?: (level: number, node: Hash) => void): void {
    let node = leaf;
    let rest = this.#size;
    completed?.(0, node);
    for (let level = 1; rest % 2 === 1; level += 1) {
      node = nodeHash(this.#nodes.pop() ?? emptyRoot, node);
      rest = (rest - 1) / 2;
      completed?.(level, node);
    }
    this.#nodes.push(node);
    this.#size += 1;
  }

  root(): Hash {
    return foldSubtrees(this.#nodes);
  }
}

/** The tree hash of neighbouring perfect subtrees of falling size. */
export function foldSubtrees(nodes: readonly Hash[]): Hash {
  const last = nodes.at(-1);
  if (last === undefined) return emptyRoot;
  return nodes.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
}

/** The fewest perfect subtrees that cover a range, left to right. */
export function perfectSubtrees({ begin, end }: LeafRange): Subtree[] {
  const subtrees: Subtree[] = [];
  for (let at = begin; at < end;) {
    let level = 0;
    for (let width = 2; at % width === 0 && at + width <= end; width *= 2) level += 1;
    subtrees.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return subtrees;
}

/** The ranges whose tree hashes prove the leaf at `index` in a tree of `size` leaves, from the leaf up (RFC 9162 §2.1.3.1). */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  if (!isIndex(index) || !isIndex(size) || index >= size)
    throw new RangeError(`expected an index below the tree size ${size}, got ${index}`);
  const ranges: LeafRange[] = [];
  let [begin, end] = [0, size];
  while (end - begin > 1) {
    const middle = begin + largestPowerBelow(end - begin);
    if (index < middle) {
      ranges.push({ begin: middle, end });
      end = middle;
    } else {
      ranges.push({ begin, end: middle });
      begin = middle;
    }
  }
  return ranges.reverse();
}

/** The ranges whose tree hashes prove that the tree of `from` leaves is a prefix of the one of `to` leaves (RFC 9162 §2.1.4.1). */
export function consistencyRanges(from: number, to: number): LeafRange[] {
  if (!isIndex(from) || !isIndex(to) || from > to) throw new RangeError(`expected an earlier size of at most ${to}, got ${from}`);
  const ranges: LeafRange[] = [];
  if (from === 0) return ranges;
  let [begin, end] = [0, to];
  while (from < end) {
    const middle = begin + largestPowerBelow(end - begin);
    if (from <= middle) {
      ranges.push({ begin: middle, end });
      end = middle;
    } else {
      ranges.push({ begin, end: middle });
      begin = middle;
    }
  }
  if (begin > 0) ranges.push({ begin, end });
  return ranges.reverse();
}

export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Hash;
  readonly proof: readonly Hash[];
  readonly root: Hash;
}

/** RFC 9162 §2.1.3.2. */
export function isIncluded({ index, size, leafHash: leaf, proof, root }: InclusionClaim): boolean {
  if (!isIndex(index) || !isIndex(size) || index >= size || !areHashes([leaf, root, ...proof])) return false;
  let [first, last, node] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (first % 2 === 1 || first === last) {
      node = nodeHash(sibling, node);
      while (first % 2 === 0 && first !== 0) [first, last] = [half(first), half(last)];
    } else {
      node = nodeHash(node, sibling);
    }
    [first, last] = [half(first), half(last)];
  }
  return last === 0 && node.equals(root);
}

export interface ConsistencyClaim {
  readonly from: number;
  readonly to: number;
  readonly fromRoot: Hash;
  readonly toRoot: Hash;
  readonly proof: readonly Hash[];
}

/** RFC 9162 §2.1.4.2; the empty tree is a prefix of every tree, and a tree of itself, with an empty proof. */
export function isConsistent({ from, to, fromRoot, toRoot, proof }: ConsistencyClaim): boolean {
  if (!isIndex(from) || !isIndex(to) || from > to || !areHashes([fromRoot, toRoot, ...proof])) return false;
  if (from === to) return proof.length === 0 && fromRoot.equals(toRoot);
  if (from === 0) return proof.length === 0 && fromRoot.equals(emptyRoot);
  const path = largestPowerBelow(from * 2) === from ? [fromRoot, ...proof] : [...proof];
  const start = path.shift();
  if (start === undefined) return false;
  let [first, last] = [from - 1, to - 1];
  while (first % 2 === 1) [first, last] = [half(first), half(last)];
  let [oldNode, newNode] = [start, start];
  for (const sibling of path) {
    if (last === 0) return false;
    if (first % 2 === 1 || first === last) {
      oldNode = nodeHash(sibling, oldNode);
      newNode = nodeHash(sibling, newNode);
      while (first % 2 === 0 && first !== 0) [first, last] = [half(first), half(last)];
    } else {
      newNode = nodeHash(newNode, sibling);
    }
    [first, last] = [half(first), half(last)];
  }
  return last === 0 && oldNode.equals(fromRoot) && newNode.equals(toRoot);
}

/** The largest power of two that is smaller than `count`, for count ≥ 2. */
function largestPowerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isIndex(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(values: readonly Hash[]): boolean {
  return values.every((value) => value.length === HASH_BYTES);
}
