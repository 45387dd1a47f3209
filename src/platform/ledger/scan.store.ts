import type { Reader } from '../database/database.ts';
import { ledgerTables, type LedgerTables } from './ledger.store.ts';
import { TILE_WIDTH } from './tiles.ts';

export type EntryRow = Omit<LedgerTables['ledger_entry'], 'integrated_at'>;

/** A stretch of the ledger: what is there of the entries [begin, end), and the checkpoints of sizes (begin, end]. */
export interface Stretch {
  readonly begin: number;
  readonly end: number;
  readonly entries: readonly EntryRow[];
  readonly checkpoints: readonly { readonly size: number; readonly note: string }[];
}

/** Whole tiles, so that a stretch can be held against them; 4 of them were as fast as 16, and need less memory. */
const STRETCH = 4 * TILE_WIDTH;

/** The ledger up to `size`, in order, reading one stretch ahead. Needs no snapshot: what is under a checkpoint does not change. */
export async function* scanLedger(db: Reader, size: number): AsyncGenerator<Stretch> {
  let next = readStretch(db, 0, size);
  for (let begin = 0; begin < size; begin += STRETCH) {
    const stretch = await next;
    next = readStretch(db, begin + STRETCH, size);
    // Whoever stops reading early never awaits it; whoever goes on meets its error above.
    next.catch(() => {});
    yield stretch;
  }
}

async function readStretch(db: Reader, begin: number, size: number): Promise<Stretch> {
  const end = Math.min(begin + STRETCH, size);
  if (begin >= end) return { begin, end, entries: [], checkpoints: [] };
  const [entries, checkpoints] = await Promise.all([entriesIn(db, begin, end), checkpointsIn(db, begin, end)]);
  return { begin, end, entries, checkpoints };
}

/** Each checkpoint after the last entry it covers. */
export function* inOrder<Entry, Checkpoint>(
  stretch: Stretch,
  entryOf: (row: EntryRow) => Entry,
  checkpointOf: (note: string) => Checkpoint,
): Generator<Entry | Checkpoint> {
  let next = 0;
  for (const row of stretch.entries) {
    for (let due = stretch.checkpoints[next]; due !== undefined && due.size <= row.index; due = stretch.checkpoints[next]) {
      yield checkpointOf(due.note);
      next += 1;
    }
    yield entryOf(row);
  }
  for (const { note } of stretch.checkpoints.slice(next)) yield checkpointOf(note);
}

function entriesIn(db: Reader, begin: number, end: number): Promise<EntryRow[]> {
  return ledgerTables(db)
    .selectFrom('ledger_entry')
    .select(['index', 'leaf', 'leaf_hash', 'actor', 'action', 'subject'])
    .where('index', '>=', begin)
    .where('index', '<', end)
    .orderBy('index')
    .execute();
}

function checkpointsIn(db: Reader, begin: number, end: number): Promise<{ size: number; note: string }[]> {
  return ledgerTables(db)
    .selectFrom('ledger_checkpoint')
    .select(['size', 'note'])
    .where('size', '>', begin)
    .where('size', '<=', end)
    .orderBy('size')
    .execute();
}
