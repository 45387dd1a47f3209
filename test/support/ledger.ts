import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database } from '../../src/platform/database/database.ts';
import type { Change } from '../../src/platform/ledger/change.ts';
import { recordChange } from '../../src/platform/ledger/record.store.ts';
import { type Sequencer, startSequencer } from '../../src/platform/ledger/sequencer.ts';
import { type NoteSigner, noteSigner } from '../../src/platform/ledger/signed-note.ts';

export interface TestLedger {
  readonly key: NoteSigner;
  readonly sequencer: Sequencer;
  /** What the sequencer complained about. */
  readonly errors: readonly unknown[];
}

export function testLedgerKey(origin = 'test.tidegate.dev/ledger'): NoteSigner {
  return noteSigner(origin, generateKeyPairSync('ed25519').privateKey);
}

/** A real sequencer on a test database. Stop it before the database is closed. */
export function testLedger(url: string, key: NoteSigner = testLedgerKey()): TestLedger {
  const errors: unknown[] = [];
  const log = { info: () => {}, error: (details: object) => void errors.push((details as { err?: unknown }).err) };
  return { key, errors, sequencer: startSequencer({ url, key, log, pollMs: 5 }) };
}

export function someChange(serial: number, members: Partial<Change> = {}): Change {
  const at = new Date(Date.UTC(2026, 10, 23) + serial * 1_000);
  return { actor: 'ada', action: 'release.created', subject: `release/shop@${serial}`, after: { serial }, at, ...members };
}

/** One action per change, each in a transaction of its own. */
export async function recordAll(db: Database, changes: readonly Change[]): Promise<void> {
  for (const change of changes) await db.transaction().execute((tx) => recordChange(tx, change));
}

/** Resolves when the sequencer has integrated everything that was committed. */
export async function integrated(db: Database): Promise<void> {
  await until(async () => (await sql`select from ledger_pending limit 1`.execute(db)).rows.length === 0);
}

export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await sleep(5);
}
