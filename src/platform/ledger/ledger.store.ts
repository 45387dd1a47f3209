import { type Kysely, sql } from 'kysely';
import type { Reader } from '../database/database.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { decodeEntry, type Entry } from './entry.ts';
import { consistencyRanges, type Hash, inclusionRanges, type LeafRange } from './merkle-tree.ts';
import type { Proof } from './proof.ts';
import { parseNote } from './signed-note.ts';
import { encodeBundle, rangeHashes, type Tile, TILE_WIDTH, type TilePath, tilesFor, tileWidth } from './tiles.ts';

/** Written by record.store.ts (pending) and sequencer.ts (all else). Append-only by trigger. */
// oxlint-disable-next-line typescript/consistent-type-definitions -- withTables needs the index signature only a type has
export type LedgerTables = {
  ledger_pending: { id: number; leaf: string };
  ledger_entry: { index: number; leaf: string; leaf_hash: Buffer; actor: string; action: string; subject: string; integrated_at: Date };
  ledger_subject: { subject: string; index: number };
  ledger_tile: { level: number; index: number; hashes: Buffer };
  ledger_checkpoint: { size: number; note: string; signed_at: Date };
};

export function ledgerTables(db: Reader): Kysely<LedgerTables> {
  return db.withTables<LedgerTables>();
}

export interface LedgerEntry {
  readonly index: number;
  readonly entry: Entry;
  /** The text that was hashed. */
  readonly leaf: string;
  /** By the database's clock; `entry.at` is by the writer's. */
  readonly integratedAt: Date;
}

export interface EntryFilter {
  /** Own or related subject. */
  readonly subject?: string;
  readonly actor?: string;
  readonly action?: string;
}

export interface EntryPage extends EntryFilter {
  /** Entries after this index in the order asked for; absent: from the beginning of that order. */
  readonly after?: number;
  readonly limit: number;
  /** Default `oldest-first`. */
  readonly order?: 'oldest-first' | 'newest-first';
}

/**
 * Index-backed whatever is filtered by. Entries show up here in index order: whoever remembers the last index misses none.
 *
 * Which entries is asked of the filter's own index alone, and only then are their leaves read: asked for both at once,
 * PostgreSQL walks the entries of everybody until it has found enough of this actor, which for one who left years ago is
 * the whole ledger. One case still reads along a stream: a subject with very many entries (an environment) and an actor or
 * action that is frequent elsewhere and never in it; 300,000 and 100,000 entries took a third of a second.
 */
export async function listEntries(db: Reader, page: EntryPage): Promise<readonly LedgerEntry[]> {
  const rows = await ledgerTables(db)
    .selectFrom(indexesOf(db, page).as('page'))
    .innerJoin('ledger_entry as e', 'e.index', 'page.index')
    .select(['e.index', 'e.leaf', 'e.integrated_at'])
    .orderBy('page.index', page.order === 'newest-first' ? 'desc' : 'asc')
    .execute();
  return rows.map(entryOf);
}

function indexesOf(db: Reader, { subject, actor, action, after, limit, order }: EntryPage) {
  const [direction, beyond] = order === 'newest-first' ? (['desc', '<'] as const) : (['asc', '>'] as const);
  const tables = ledgerTables(db);
  if (subject !== undefined && actor === undefined && action === undefined) {
    const stream = tables.selectFrom('ledger_subject as s').select('s.index').where('s.subject', '=', subject);
    return (after === undefined ? stream : stream.where('s.index', beyond, after)).orderBy('s.index', direction).limit(limit);
  }
  let query = tables.selectFrom('ledger_entry as e').select('e.index').orderBy('e.index', direction).limit(limit);
  if (actor !== undefined) query = query.where('e.actor', '=', actor);
  if (action !== undefined) query = query.where('e.action', '=', action);
  if (after !== undefined) query = query.where('e.index', beyond, after);
  if (subject === undefined) return query;
  return query.innerJoin('ledger_subject as s', 's.index', 'e.index').where('s.subject', '=', subject);
}

export async function findEntry(db: Reader, index: number): Promise<LedgerEntry | undefined> {
  const row = await ledgerTables(db)
    .selectFrom('ledger_entry')
    .select(['index', 'leaf', 'integrated_at'])
    .where('index', '=', index)
    .executeTakeFirst();
  return row && entryOf(row);
}

export interface SignedCheckpoint extends Checkpoint {
  readonly note: string;
  readonly signedAt: Date;
}

/** As stored: the signature is for the reader to check. Undefined while the ledger is empty. */
export async function latestCheckpoint(db: Reader): Promise<SignedCheckpoint | undefined> {
  const row = await ledgerTables(db).selectFrom('ledger_checkpoint').selectAll().orderBy('size', 'desc').limit(1).executeTakeFirst();
  return row && { ...parseCheckpoint(parseNote(row.note).text), note: row.note, signedAt: row.signed_at };
}

/** Entries under the latest checkpoint. */
export async function ledgerSize(db: Reader): Promise<number> {
  return (await latestCheckpoint(db))?.size ?? 0;
}

export interface Backlog {
  /** Counted up to 10,000. */
  readonly pending: number;
}

/** What the sequencer has still to integrate: stays above 0 when no process sequences, or when it refuses to go on. */
export async function ledgerBacklog(db: Reader): Promise<Backlog> {
  const { rows } = await sql<Backlog>`select count(*) as pending from (select from ledger_pending limit 10000) as waiting`.execute(db);
  return rows[0] ?? { pending: 0 };
}

/** The receipt of an entry under the latest checkpoint, computed from tiles, with the leaf in `extra`. Undefined when there is no such entry. */
export async function inclusionProof(db: Reader, index: number): Promise<Proof | undefined> {
  const checkpoint = await latestCheckpoint(db);
  const entry = checkpoint && index < checkpoint.size ? await findEntry(db, index) : undefined;
  if (checkpoint === undefined || entry === undefined) return undefined;
  const hashes = await hashRanges(db, inclusionRanges(index, checkpoint.size));
  return { index, hashes, checkpoint: checkpoint.note, extra: Buffer.from(entry.leaf) };
}

/** That the ledger of `from` entries is a prefix of the one of `to` entries. */
export async function consistencyProof(db: Reader, from: number, to: number): Promise<readonly Hash[]> {
  return hashRanges(db, consistencyRanges(from, to));
}

async function hashRanges(db: Reader, ranges: readonly LeafRange[]): Promise<Hash[]> {
  const tiles = tilesFor(ranges);
  const { rows } = await sql<Tile>`
    select level, index, hashes from ledger_tile
    where (level, index) in (select * from unnest(${tiles.map(({ level }) => level)}::smallint[], ${tiles.map(({ index }) => index)}::bigint[]))
  `.execute(db);
  return rangeHashes(ranges, rows);
}

/** The bytes of a tile or entry bundle as c2sp.org/tlog-tiles serves them; undefined when no checkpoint covers it (yet). */
export async function findTile(db: Reader, tile: TilePath): Promise<Buffer | undefined> {
  const size = await ledgerSize(db);
  const level = tile.level === 'entries' ? 0 : tile.level;
  if (tile.width > tileWidth({ level, index: tile.index }, size)) return undefined;
  if (tile.level === 'entries') return findBundle(db, tile);
  const row = await ledgerTables(db)
    .selectFrom('ledger_tile')
    .select('hashes')
    .where('level', '=', level)
    .where('index', '=', tile.index)
    .executeTakeFirst();
  return row?.hashes.subarray(0, tile.width * 32);
}

async function findBundle(db: Reader, { index, width }: TilePath): Promise<Buffer | undefined> {
  const begin = index * TILE_WIDTH;
  const rows = await ledgerTables(db)
    .selectFrom('ledger_entry')
    .select('leaf')
    .where('index', '>=', begin)
    .where('index', '<', begin + width)
    .orderBy('index')
    .execute();
  return rows.length === width ? encodeBundle(rows.map(({ leaf }) => leaf)) : undefined;
}

function entryOf({ index, leaf, integrated_at }: { index: number; leaf: string; integrated_at: Date }): LedgerEntry {
  return { index, leaf, integratedAt: integrated_at, entry: decodeEntry(leaf) ?? foreign(leaf) };
}

/** A leaf that did not come through `recordChange` is shown as what it is, never hidden. */
function foreign(leaf: string): Entry {
  return { id: '', at: '', actor: '', action: 'ledger.foreign-leaf', subject: '', after: leaf };
}
