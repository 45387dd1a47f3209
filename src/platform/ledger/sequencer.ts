import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { poolConfig } from '../database/connect.ts';
import { isUnavailable } from '../database/faults.ts';
import { backOffMs } from '../database/retry.ts';
import { Fault } from '../fault.ts';
import { ledgerChannel } from './channel.ts';
import { openCheckpoint, signCheckpoint } from './checkpoint.ts';
import { columnsOf } from './entry.ts';
import { leafHash } from './merkle-tree.ts';
import { type NoteSigner, noteVerifier } from './signed-note.ts';
import { type Tile, tilesToGoOn, TileTree } from './tiles.ts';

export interface SequencerOptions {
  readonly url: string;
  /** Signs the checkpoints; the same in every process that may sequence this database. */
  readonly key: NoteSigner;
  readonly log: SequencerLog;
  /** How long new entries wait at most while the ledger is idle. Default 25: 40 cheap look-ups a second. */
  readonly pollMs?: number;
}

export interface SequencerLog {
  info(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface Sequencer {
  /** Finishes the batch at hand and gives the place to another process. */
  stop(): Promise<void>;
}

/** Of the session lock that one sequencer holds; any number that nothing else uses. */
export const sequencerLock = 7_331_046_990_162;
/** Entries per transaction; with the largest entries 32 MB in memory. */
const BATCH = 500;
const STANDBY_MS = 250;
/**
 * A process that is stopped (SIGSTOP, a suspended machine) keeps its connection and with it the lock. PostgreSQL ends a
 * session that says nothing for this long, and a session that is gone commits nothing: no fencing is needed beyond that.
 */
const SILENCE = '5s';

/**
 * Runs until stopped: moves pending entries into the ledger, gap-free and in batches, writes tiles, signs a checkpoint
 * per batch, all in one transaction, and announces it. One at a time per database by a session lock; the others stand by
 * and take over within a second when the holder dies. Writers are never blocked. Start one in every process.
 *
 * A transaction that commits late is found late: nothing is remembered about ids, whatever is visible and pending is next.
 */
export function startSequencer(options: SequencerOptions): Sequencer {
  const stopping = new AbortController();
  const running = runUntil(stopping.signal, options);
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

async function runUntil(signal: AbortSignal, options: SequencerOptions): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      await holdSession(signal, options, () => {
        attempt = 0;
      });
    } catch (error) {
      const lost = isUnavailable(error);
      options.log[lost ? 'info' : 'error'](
        { err: error },
        lost ? 'sequencer: the database went away' : 'sequencer: the ledger does not go on',
      );
      await pause(lost ? backOffMs(attempt, { firstMs: 100 }) : backOffMs(attempt, { firstMs: 1_000, maxMs: 30_000 }), signal);
    }
  }
}

async function holdSession(signal: AbortSignal, options: SequencerOptions, progressed: () => void): Promise<void> {
  const client = new pg.Client(poolConfig(options.url, { applicationName: 'tidegate sequencer' }));
  // The query that meets a lost connection rejects as well; without a listener the event would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(`set idle_session_timeout = '${SILENCE}'; set idle_in_transaction_session_timeout = '${SILENCE}'`);
    if (!(await waitForTurn(client, signal))) return;
    const tree = await openTree(client, options.key);
    options.log.info({ size: tree.size }, 'sequencer: integrating');
    while (!signal.aborted) {
      const moved = await integrate(client, tree, options.key);
      progressed();
      if (moved < BATCH) await pause(options.pollMs ?? 25, signal);
    }
  } finally {
    await client.end().catch(() => {});
  }
}

async function waitForTurn(client: pg.Client, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [sequencerLock]);
    if (rows[0]?.held === true) return true;
    await pause(STANDBY_MS, signal);
  }
  return false;
}

/** The tree as the last checkpoint states it. Refuses to sign on top of anything else. */
async function openTree(client: pg.Client, key: NoteSigner): Promise<TileTree> {
  const last = await client.query<{ size: number; note: string }>('select size, note from ledger_checkpoint order by size desc limit 1');
  const entries = await client.query<{ size: number }>('select coalesce(max(index) + 1, 0) as size from ledger_entry');
  const { size, note } = last.rows[0] ?? { size: 0, note: '' };
  if (entries.rows[0]?.size !== size) throw corrupt(`its last checkpoint states ${size} entries, and there are ${entries.rows[0]?.size}`);
  if (size === 0) return new TileTree();
  const checkpoint = openCheckpoint(note, noteVerifier(key.verifierKey));
  if (checkpoint === undefined) throw otherKey(key);
  const tree = new TileTree(size, await readTiles(client, size));
  if (checkpoint.size !== size || !tree.root().equals(checkpoint.root))
    throw corrupt(`its tiles are not those of its last checkpoint (size ${size})`);
  return tree;
}

/** What is in memory must be what is stored, each time: a ledger that was cut while we run must not be signed over. */
async function refuseCutLedger(client: pg.Client, size: number): Promise<void> {
  const { rows } = await client.query<{ checkpoint: number; entries: number }>(
    `select (select coalesce(max(size), 0) from ledger_checkpoint) as checkpoint, (select coalesce(max(index) + 1, 0) from ledger_entry) as entries`,
  );
  const { checkpoint = 0, entries = 0 } = rows[0] ?? {};
  if (checkpoint !== size || entries !== size)
    throw corrupt(`${size} entries were signed, and there are ${entries} under a checkpoint of ${checkpoint}`);
}

async function readTiles(client: pg.Client, size: number): Promise<Tile[]> {
  const tiles = tilesToGoOn(size);
  const { rows } = await client.query<Tile>(
    'select level, index, hashes from ledger_tile where (level, index) in (select * from unnest($1::smallint[], $2::bigint[]))',
    [tiles.map(({ level }) => level), tiles.map(({ index }) => index)],
  );
  return rows;
}

async function integrate(client: pg.Client, tree: TileTree, key: NoteSigner): Promise<number> {
  const { rows } = await client.query<{ id: number; leaf: string }>(`select id, leaf from ledger_pending order by id limit ${BATCH}`);
  if (rows.length === 0) return 0;
  await refuseCutLedger(client, tree.size);
  const batch = rows.map(({ leaf }, at) => ({ index: tree.size + at, leaf, hash: leafHash(leaf), ...columnsOf(leaf) }));
  for (const { hash } of batch) tree.append(hash);
  const note = signCheckpoint({ origin: key.name, size: tree.size, root: tree.root() }, key);

  await client.query(`begin; set local tidegate.sequencer = 'moving'`);
  const left = await client.query('delete from ledger_pending where id = any($1::bigint[])', [rows.map(({ id }) => id)]);
  if (left.rowCount !== rows.length) throw corrupt(`${rows.length} pending entries were to be moved, and ${left.rowCount} were there`);
  await insertEntries(client, batch);
  await saveTiles(client, tree.takeChanged());
  await client.query('insert into ledger_checkpoint (size, note) values ($1, $2)', [tree.size, note]);
  await client.query('select pg_notify($1, $2)', [ledgerChannel, String(tree.size)]);
  await client.query('commit');
  return rows.length;
}

interface IndexedLeaf extends ReturnType<typeof columnsOf> {
  readonly index: number;
  readonly leaf: string;
  readonly hash: Buffer;
}

async function insertEntries(client: pg.Client, batch: readonly IndexedLeaf[]): Promise<void> {
  await client.query(
    `insert into ledger_entry (index, leaf, leaf_hash, actor, action, subject)
     select * from unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[])`,
    [
      batch.map(({ index }) => index),
      batch.map(({ leaf }) => leaf),
      batch.map(({ hash }) => hash),
      batch.map(({ actor }) => actor),
      batch.map(({ action }) => action),
      batch.map(({ subject }) => subject),
    ],
  );
  const streams = batch.flatMap(({ index, subjects }) => subjects.map((subject) => ({ index, subject })));
  await client.query('insert into ledger_subject (subject, index) select * from unnest($1::text[], $2::bigint[]) on conflict do nothing', [
    streams.map(({ subject }) => subject),
    streams.map(({ index }) => index),
  ]);
}

async function saveTiles(client: pg.Client, tiles: readonly Tile[]): Promise<void> {
  await client.query(
    `insert into ledger_tile (level, index, hashes) select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])
     on conflict (level, index) do update set hashes = excluded.hashes`,
    [tiles.map(({ level }) => level), tiles.map(({ index }) => index), tiles.map(({ hashes }) => hashes)],
  );
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

function corrupt(what: string): Fault {
  return new Fault({
    code: 'ledger.corrupt',
    message: `expected to go on from the ledger's last checkpoint, got another state: ${what}`,
    remedy: 'run `tidegate audit verify` to learn which entry was touched; actions are recorded as pending until this is resolved',
  });
}

function otherKey(key: NoteSigner): Fault {
  return new Fault({
    code: 'ledger.other-key',
    message: `expected the ledger's last checkpoint to be signed by ${key.verifierKey}, got a signature by another key or origin`,
    remedy: 'copy keys/ledger.key from the host that started this ledger; it needs one key and one origin everywhere',
  });
}
