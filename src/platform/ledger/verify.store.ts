import { sql } from 'kysely';
import type { Reader } from '../database/database.ts';
import { columnsOf, type EntryColumns } from './entry.ts';
import { ledgerTables } from './ledger.store.ts';
import { type EntryRow, inOrder, scanLedger, type Stretch } from './scan.store.ts';
import { noteVerifier } from './signed-note.ts';
import { HASH_BYTES, hashAt, TILE_WIDTH, type Tile, TileTree } from './tiles.ts';
import { type Finding, type LedgerRecord, type Verification, verifyRecords } from './verify.ts';

export interface VerifyLedgerOptions {
  /** The vkey that must have signed. */
  readonly verifierKey: string;
  /** Checkpoints an auditor kept: the ledger must still contain them. The only thing that tells a ledger that was cut off or replaced. */
  readonly anchors?: readonly string[];
}

/**
 * Reads the whole ledger once, up to its latest checkpoint at the start, and checks leaves, stored hashes, list columns,
 * subject streams, tiles of every level, and every checkpoint's tree hash and signature. Constant memory; writers and
 * sequencer go on meanwhile.
 */
export async function verifyLedger(db: Reader, { verifierKey, anchors = [] }: VerifyLedgerOptions): Promise<Verification> {
  const edge = await findEdge(db);
  const tree = new TileTree();
  const around = new Surroundings(db, tree);
  const verification = await verifyRecords(around.records(edge.size), { verifier: noteVerifier(verifierKey), anchors, tree });
  if (verification.verdict === 'failed') return verification;
  const finding = edge.finding ?? around.finding ?? (await around.lastTiles()) ?? (await around.streamsAdded(edge.size));
  if (finding === undefined) return verification;
  const { firstBadIndex, sentence } = finding;
  return {
    ...verification,
    verdict: 'failed',
    finding,
    sentence: firstBadIndex === undefined ? sentence : `first bad index ${firstBadIndex}: ${sentence}`,
  };
}

/** In one statement, because the sequencer moves the edge. */
async function findEdge(db: Reader): Promise<{ readonly size: number; readonly finding?: Finding }> {
  const { rows } = await sql<{ size: number; unsigned: number | null; tiled: number }>`
    with edge as (select coalesce(max(size), 0) as size from ledger_checkpoint)
    select edge.size,
      (select min(index) from ledger_entry where index >= edge.size) as unsigned,
      coalesce((select index * 256 + octet_length(hashes) / 32 from ledger_tile where level = 0 order by index desc limit 1), 0) as tiled
    from edge
  `.execute(db);
  const { size, unsigned, tiled } = rows[0] ?? { size: 0, unsigned: null, tiled: 0 };
  if (unsigned !== null)
    return {
      size,
      finding: {
        code: 'entry.unsigned',
        firstBadIndex: unsigned,
        sentence: `no checkpoint covers it: the last one states ${size} entries`,
      },
    };
  if (tiled > size)
    return {
      size,
      finding: {
        code: 'entry.missing',
        firstBadIndex: size,
        sentence: `the tiles hold ${tiled} entries, and the last checkpoint states ${size}`,
      },
    };
  return { size };
}

/** What stands around the entries in the database, held against them stretch by stretch. */
class Surroundings {
  readonly #db: Reader;
  readonly #tree: TileTree;
  #streams = 0;
  finding: Finding | undefined;

  constructor(db: Reader, tree: TileTree) {
    this.#db = db;
    this.#tree = tree;
  }

  async *records(size: number): AsyncGenerator<readonly LedgerRecord[]> {
    for await (const stretch of scanLedger(this.#db, size)) {
      const signed = new Map(stretch.entries.map(({ index, leaf }) => [index, columnsOf(leaf)]));
      const [tiles, hidden] = await Promise.all([this.#leafTiles(stretch), this.#hiddenFromStreams(signed)]);
      const around = { signed, tiles, hidden };
      yield [
        ...inOrder<LedgerRecord, LedgerRecord>(
          stretch,
          (row) => recordOf(row, around),
          (note) => ({ kind: 'checkpoint', note }),
        ),
      ];
      const full = this.#tree.takeChanged().filter(({ level, hashes }) => level > 0 && hashes.length === TILE_WIDTH * HASH_BYTES);
      this.finding ??= await this.#compareTiles(full);
    }
  }

  /** The partial tiles at the right edge; the sequencer may have let them grow meanwhile. */
  async lastTiles(): Promise<Finding | undefined> {
    return this.#compareTiles(this.#tree.openTiles());
  }

  async streamsAdded(size: number): Promise<Finding | undefined> {
    const { rows } = await sql<{ count: number }>`select count(*) as count from ledger_subject where index < ${size}`.execute(this.#db);
    const count = rows[0]?.count ?? 0;
    if (count === this.#streams) return undefined;
    return {
      code: 'stream.edited',
      sentence: `expected ${this.#streams} rows in the subject streams, got ${count}: an entry shows where it does not belong`,
    };
  }

  async #compareTiles(expected: readonly Tile[]): Promise<Finding | undefined> {
    for (const tile of expected) {
      const row = await ledgerTables(this.#db)
        .selectFrom('ledger_tile')
        .select('hashes')
        .where('level', '=', tile.level)
        .where('index', '=', tile.index)
        .executeTakeFirst();
      const got = row?.hashes.subarray(0, tile.hashes.length) ?? Buffer.alloc(0);
      if (got.equals(tile.hashes)) continue;
      const position = firstDifference(tile.hashes, got);
      const begin = (tile.index * TILE_WIDTH + position) * TILE_WIDTH ** tile.level;
      const sentence = `hash ${position} of tile ${tile.level}/${tile.index} is not that of its entries, from index ${begin} on; the entries themselves are good`;
      return { code: 'tile.edited', within: { from: begin, to: begin + TILE_WIDTH ** tile.level }, sentence };
    }
    return undefined;
  }

  async #leafTiles({ begin, end }: Stretch): Promise<ReadonlyMap<number, Buffer>> {
    const rows = await ledgerTables(this.#db)
      .selectFrom('ledger_tile')
      .select(['index', 'hashes'])
      .where('level', '=', 0)
      .where('index', '>=', begin / TILE_WIDTH)
      .where('index', '<', Math.ceil(end / TILE_WIDTH))
      .execute();
    return new Map(rows.map(({ index, hashes }) => [index, hashes]));
  }

  /** Entries that do not show in a stream they belong to. */
  async #hiddenFromStreams(signed: ReadonlyMap<number, EntryColumns>): Promise<ReadonlyMap<number, string>> {
    const belongs = [...signed].flatMap(([index, { subjects }]) => subjects.map((subject) => ({ index, subject })));
    this.#streams += belongs.length;
    const { rows } = await sql<{ index: number; subject: string }>`
      select index, subject from unnest(${belongs.map(({ index }) => index)}::bigint[], ${belongs.map(({ subject }) => subject)}::text[]) as belongs (index, subject)
      where not exists (select from ledger_subject as s where s.subject = belongs.subject and s.index = belongs.index)
    `.execute(this.#db);
    return new Map(rows.map(({ index, subject }) => [index, subject]));
  }
}

interface AroundEntries {
  /** What the leaves themselves say. */
  readonly signed: ReadonlyMap<number, EntryColumns>;
  readonly tiles: ReadonlyMap<number, Buffer>;
  readonly hidden: ReadonlyMap<number, string>;
}

function recordOf(row: EntryRow, around: AroundEntries): LedgerRecord {
  const tile = around.tiles.get(Math.floor(row.index / TILE_WIDTH));
  const inTile = tile && hashAt(tile, row.index % TILE_WIDTH);
  const record = { kind: 'entry', index: row.index, leaf: row.leaf } as const;
  if (inTile?.length !== HASH_BYTES) return { ...record, stored: [row.leaf_hash], contradiction: 'its hash is missing from its tile' };
  const contradiction = contradictionOf(row, around);
  return { ...record, stored: [row.leaf_hash, inTile], ...(contradiction !== undefined && { contradiction }) };
}

function contradictionOf(row: EntryRow, { signed, hidden }: AroundEntries): string | undefined {
  const columns = signed.get(row.index);
  for (const name of ['actor', 'action', 'subject'] as const) {
    if (columns?.[name] !== row[name]) return `its column ${name} says "${row[name]}", and what was signed says "${columns?.[name]}"`;
  }
  const stream = hidden.get(row.index);
  return stream === undefined ? undefined : `it does not show in the stream of ${stream}`;
}

function firstDifference(expected: Buffer, got: Buffer): number {
  let position = 0;
  while (hashAt(expected, position).equals(hashAt(got, position))) position += 1;
  return position;
}
