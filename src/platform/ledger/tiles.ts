import { CompactRange, foldSubtrees, type Hash, nodeHash, perfectSubtrees, type LeafRange, type Subtree } from './merkle-tree.ts';

/**
 * The tree cut into tiles as in c2sp.org/tlog-tiles: tile n of level l holds the tree hashes of 256 consecutive subtrees
 * of 256^l leaves. A tile grows to the right until it is full and never changes what it holds, so any narrower tile is
 * its prefix.
 */
export const TILE_WIDTH = 256;
export const HASH_BYTES = 32;
const TILE_HEIGHT = 8;
/** An entry bundle has 16 bits for the length of an entry. */
export const MAX_LEAF_BYTES = 65_535;

export interface TileId {
  readonly level: number;
  readonly index: number;
}

export interface Tile extends TileId {
  /** `width` hashes of 32 bytes, one after the other. */
  readonly hashes: Buffer;
}

/** What a tile path names: a tile of hashes, or (level `entries`) a bundle of log entries. */
export interface TilePath {
  readonly level: number | 'entries';
  readonly index: number;
  readonly width: number;
}

export function tilePath({ level, index, width }: TilePath): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  const path = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const TILE_PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** Undefined when the path is not exactly one that `tilePath` writes. */
export function parseTilePath(path: string): TilePath | undefined {
  const [, level, groups, width] = TILE_PATH.exec(path) ?? [];
  if (level === undefined || groups === undefined) return undefined;
  const tile: TilePath = {
    level: level === 'entries' ? 'entries' : Number(level),
    index: Number(groups.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  return tile.level !== 'entries' && tile.level > 63 ? undefined : tilePath(tile) === path ? tile : undefined;
}

/** How many hashes tile `index` of `level` has in a tree of `size` leaves: 0 when there is no such tile. */
export function tileWidth({ level, index }: TileId, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH;
  return Math.max(0, Math.min(TILE_WIDTH, hashes));
}

/** Every tile of a tree, level by level; the rightmost of each level may be partial. */
export function* tilesOf(size: number): Generator<TileId & { readonly width: number }> {
  for (let level = 0; size >= TILE_WIDTH ** level; level += 1) {
    for (let index = 0; ; index += 1) {
      const width = tileWidth({ level, index }, size);
      if (width === 0) break;
      yield { level, index, width };
    }
  }
}

/** The tile that answers for a perfect subtree, and the part of it to hash. */
function tileOf({ level, index }: Subtree): TileId & { readonly offset: number; readonly count: number } {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const count = 2 ** (level % TILE_HEIGHT);
  const first = index * count;
  return { level: tileLevel, index: Math.floor(first / TILE_WIDTH), offset: first % TILE_WIDTH, count };
}

/** The tiles needed to compute the tree hashes of `ranges`, each once. */
export function tilesFor(ranges: readonly LeafRange[]): TileId[] {
  const tiles = new Map<string, TileId>();
  for (const subtree of ranges.flatMap(perfectSubtrees)) {
    const { level, index } = tileOf(subtree);
    tiles.set(`${level}/${index}`, { level, index });
  }
  return [...tiles.values()];
}

/** The tree hash of each range, from tiles. Throws a RangeError when a tile is absent or too narrow. */
export function rangeHashes(ranges: readonly LeafRange[], tiles: readonly Tile[]): Hash[] {
  const found = new Map(tiles.map((tile) => [`${tile.level}/${tile.index}`, tile.hashes]));
  return ranges.map((range) => foldSubtrees(perfectSubtrees(range).map((subtree) => subtreeHash(subtree, found))));
}

function subtreeHash(subtree: Subtree, tiles: ReadonlyMap<string, Buffer>): Hash {
  const { level, index, offset, count } = tileOf(subtree);
  const hashes = tiles.get(`${level}/${index}`);
  const got = hashes === undefined ? 0 : hashes.length / HASH_BYTES;
  if (hashes === undefined || got < offset + count)
    throw new RangeError(`expected at least ${offset + count} hashes in tile ${level}/${index}, got ${got}`);
  let row = Array.from({ length: count }, (_, at) => hashAt(hashes, offset + at));
  while (row.length > 1) row = pairs(row);
  return row[0] ?? hashAt(hashes, offset);
}

function pairs(row: readonly Hash[]): Hash[] {
  const next: Hash[] = [];
  for (let at = 0; at + 1 < row.length; at += 2) next.push(nodeHash(row[at] as Hash, row[at + 1] as Hash));
  return next;
}

export function hashAt(hashes: Buffer, position: number): Hash {
  return hashes.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES);
}

/** A tree that grows and hands out the tiles that changed. Memory: one partial tile per level. */
export class TileTree {
  readonly #range: CompactRange;
  /** The rightmost, not yet full tile of each level. */
  readonly #open: { index: number; hashes: Hash[] }[] = [];
  readonly #filled: Tile[] = [];
  /** Width of each open tile when it was last handed out. */
  #handedOut: number[] = [];

  /** Goes on from a tree of `size` leaves, given at least the tiles that `tilesToGoOn(size)` names. */
  constructor(size = 0, tiles: readonly Tile[] = []) {
    const whole = perfectSubtrees({ begin: 0, end: size });
    const found = new Map(tiles.map((tile) => [`${tile.level}/${tile.index}`, tile.hashes]));
    this.#range = new CompactRange(
      size,
      whole.map((subtree) => subtreeHash(subtree, found)),
    );
    for (let level = 0; size >= TILE_WIDTH ** level; level += 1) {
      const filled = Math.floor(size / TILE_WIDTH ** level);
      const index = Math.floor(filled / TILE_WIDTH);
      const hashes = found.get(`${level}/${index}`) ?? Buffer.alloc(0);
      this.#open[level] = { index, hashes: Array.from({ length: filled % TILE_WIDTH }, (_, at) => hashAt(hashes, at)) };
    }
  }

  get size(): number {
    return this.#range.size;
  }

  root(): Hash {
    return this.#range.root();
  }

  append(leaf: Hash): void {
    this.#range.append(leaf, (level, node) => {
      if (level % TILE_HEIGHT === 0) this.#push(level / TILE_HEIGHT, node);
    });
  }

  /** The tiles that grew since the last call, partial ones included, in no order. */
  takeChanged(): Tile[] {
    const grown = this.openTiles().filter(({ level, hashes }) => hashes.length / HASH_BYTES !== this.#handedOut[level]);
    this.#handedOut = this.#open.map(({ hashes }) => hashes.length);
    return [...this.#filled.splice(0), ...grown];
  }

  /** The partial tiles at the right edge. */
  openTiles(): Tile[] {
    return this.#open.flatMap(({ index, hashes }, level) => (hashes.length > 0 ? [{ level, index, hashes: Buffer.concat(hashes) }] : []));
  }

  #push(level: number, node: Hash): void {
    const open = (this.#open[level] ??= { index: 0, hashes: [] });
    open.hashes.push(node);
    if (open.hashes.length < TILE_WIDTH) return;
    this.#filled.push({ level, index: open.index, hashes: Buffer.concat(open.hashes) });
    this.#handedOut[level] = 0;
    this.#open[level] = { index: open.index + 1, hashes: [] };
  }
}

/** What a `TileTree` of this size needs to go on. */
export function tilesToGoOn(size: number): TileId[] {
  return tilesFor([{ begin: 0, end: size }]).concat(
    [...levelsOf(size)].map((level) => ({ level, index: Math.floor(size / TILE_WIDTH ** (level + 1)) })),
  );
}

function* levelsOf(size: number): Generator<number> {
  for (let level = 0; size >= TILE_WIDTH ** level; level += 1) yield level;
}

/** An entry bundle: each entry with its length in two bytes before it. */
export function encodeBundle(leaves: readonly string[]): Buffer {
  return Buffer.concat(
    leaves.flatMap((leaf) => {
      const bytes = Buffer.from(leaf);
      if (bytes.length > MAX_LEAF_BYTES) throw new RangeError(`expected an entry of at most ${MAX_LEAF_BYTES} bytes, got ${bytes.length}`);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** Throws a RangeError when the bytes end in the middle of an entry. */
export function decodeBundle(bundle: Buffer): string[] {
  const leaves: string[] = [];
  for (let at = 0; at < bundle.length;) {
    const begin = at + 2;
    const end = begin <= bundle.length ? begin + bundle.readUInt16BE(at) : Infinity;
    if (end > bundle.length) throw new RangeError(`expected a whole entry at byte ${at} of the bundle, got its beginning`);
    leaves.push(bundle.toString('utf8', begin, end));
    at = end;
  }
  return leaves;
}
