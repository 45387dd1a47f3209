import { type RawBuilder, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { integrated, someChange, testLedger, testLedgerKey, type TestLedger } from '../../../test/support/ledger.ts';
import type { Transaction } from '../database/database.ts';
import type { Change } from './change.ts';
import { leafHash } from './merkle-tree.ts';
import { recordChange } from './record.store.ts';
import type { Finding, Verification } from './verify.ts';
import { verifyLedger } from './verify.store.ts';

/** 600 entries: two full leaf tiles and a partial one, and a partial tile above them. */
const sizes = [100, 300, 301, 600];
let database: TestDatabase;
let ledger: TestLedger;
let checkpoints: readonly number[];

beforeAll(async () => {
  database = await testDatabase();
  ledger = testLedger(database.url);
  let from = 0;
  for (const size of sizes) {
    const serials = Array.from({ length: size - from }, (_, at) => from + at);
    const changes = serials.map((serial) => someChange(serial, { related: ['application/shop'] }));
    await database.db.transaction().execute((tx) => recordAllIn(tx, changes));
    await integrated(database.db);
    from = size;
  }
  await ledger.sequencer.stop();
  checkpoints = (await sql<{ size: number }>`select size from ledger_checkpoint order by size`.execute(database.db)).rows.map(
    ({ size }) => size,
  );
});
afterAll(async () => {
  await ledger.sequencer.stop();
  await database.close();
});

async function recordAllIn(tx: Transaction, changes: readonly Change[]): Promise<void> {
  for (const change of changes) await recordChange(tx, change);
}

class Undo extends Error {}

/** What the verifier says after an attacker with all rights on the database has been there; undone afterwards. */
async function after(attack: (tx: Transaction) => Promise<void>, anchors: readonly string[] = []): Promise<Verification> {
  let found: Verification | undefined;
  const attacked = database.db.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx);
    await attack(tx);
    found = await verifyLedger(tx, { verifierKey: ledger.key.verifierKey, anchors });
    throw new Undo();
  });
  await expect(attacked).rejects.toBeInstanceOf(Undo);
  if (found === undefined) throw new Error('expected a verification');
  return found;
}

function running(...statements: readonly RawBuilder<unknown>[]): (tx: Transaction) => Promise<void> {
  return async (tx) => {
    for (const statement of statements) await statement.execute(tx);
  };
}

const forged = JSON.stringify({ id: 'x', at: '', actor: 'ada', action: 'release.created', subject: 'release/forged' });
const forgedHash = leafHash(forged);

test('an untouched ledger verifies', async () => {
  expect(checkpoints).toEqual(sizes);
  expect(await verifyLedger(database.db, { verifierKey: ledger.key.verifierKey })).toMatchObject({
    verdict: 'verified',
    size: 600,
    checkpoints: 4,
  });
});

const attacks: readonly (readonly [string, readonly RawBuilder<unknown>[], Partial<Finding>])[] = [
  [
    'a leaf edited',
    [sql`update ledger_entry set leaf = replace(leaf, 'ada', 'eve') where index = 257`],
    { code: 'entry.edited', firstBadIndex: 257 },
  ],
  [
    'two leaves edited',
    [sql`update ledger_entry set leaf = leaf || ' ' where index in (299, 12)`],
    { code: 'entry.edited', firstBadIndex: 12 },
  ],
  [
    'a stored hash edited',
    [sql`update ledger_entry set leaf_hash = ${forgedHash} where index = 5`],
    { code: 'entry.edited', firstBadIndex: 5 },
  ],
  [
    'leaf and stored hash edited together',
    [sql`update ledger_entry set leaf = ${forged}, leaf_hash = ${forgedHash}, subject = 'release/forged' where index = 258`],
    { code: 'entry.edited', firstBadIndex: 258 },
  ],
  [
    'leaf, stored hash and tile edited together',
    [
      sql`update ledger_entry set leaf = ${forged}, leaf_hash = ${forgedHash}, subject = 'release/forged' where index = 258`,
      sql`insert into ledger_subject values ('release/forged', 258)`,
      sql`update ledger_tile set hashes = overlay(hashes placing ${forgedHash} from 65) where level = 0 and index = 1`,
    ],
    { code: 'checkpoint.root', within: { from: 100, to: 300 } },
  ],
  [
    'the same where only one entry is between two checkpoints',
    [
      sql`update ledger_entry set leaf = ${forged}, leaf_hash = ${forgedHash}, subject = 'release/forged' where index = 300`,
      sql`insert into ledger_subject values ('release/forged', 300)`,
      sql`update ledger_tile set hashes = overlay(hashes placing ${forgedHash} from 1409) where level = 0 and index = 1`,
    ],
    { code: 'checkpoint.root', firstBadIndex: 300 },
  ],
  ['an entry deleted', [sql`delete from ledger_entry where index = 150`], { code: 'entry.missing', firstBadIndex: 150 }],
  ['the last entry deleted', [sql`delete from ledger_entry where index = 599`], { code: 'entry.missing', firstBadIndex: 599 }],
  ['all entries deleted', [sql`delete from ledger_entry`], { code: 'entry.missing', firstBadIndex: 0 }],
  [
    'two entries swapped',
    [
      sql`update ledger_entry as a set leaf = b.leaf, subject = b.subject from ledger_entry as b where (a.index, b.index) in ((40, 41), (41, 40))`,
    ],
    { code: 'entry.edited', firstBadIndex: 40 },
  ],
  [
    'an entry deleted and the rest moved up',
    [
      sql`delete from ledger_entry where index = 150`,
      sql`update ledger_entry set index = index + 10000 where index > 150`,
      sql`update ledger_entry set index = index - 10001 where index > 9999`,
    ],
    { code: 'entry.edited', firstBadIndex: 150 },
  ],
  [
    'an entry inserted and the rest moved down',
    [
      sql`update ledger_entry set index = index + 10001 where index >= 150`,
      sql`update ledger_entry set index = index - 10000 where index > 9999`,
      sql`insert into ledger_entry (index, leaf, leaf_hash, actor, action, subject) values (150, ${forged}, ${forgedHash}, 'ada', 'release.created', 'release/forged')`,
    ],
    { code: 'entry.edited', firstBadIndex: 150 },
  ],
  [
    'an entry appended without a checkpoint',
    [
      sql`insert into ledger_entry (index, leaf, leaf_hash, actor, action, subject) values (600, ${forged}, ${forgedHash}, 'ada', 'release.created', 'release/forged')`,
    ],
    { code: 'entry.unsigned', firstBadIndex: 600 },
  ],
  ['the last checkpoint deleted', [sql`delete from ledger_checkpoint where size = 600`], { code: 'entry.unsigned', firstBadIndex: 301 }],
  [
    'entries and checkpoints cut off, tiles left',
    [sql`delete from ledger_checkpoint where size = 600`, sql`delete from ledger_entry where index >= 301`],
    { code: 'entry.missing', firstBadIndex: 301 },
  ],
  [
    'a checkpoint edited',
    [sql`update ledger_checkpoint set note = replace(note, E'\n300\n', E'\n301\n') where size = 300`],
    { code: 'checkpoint.signature', within: { from: 100, to: 300 } },
  ],
  ['a checkpoint put elsewhere', [sql`update ledger_checkpoint set size = 200 where size = 100`], { code: 'checkpoint.out-of-order' }],
  [
    'the actor column edited',
    [sql`update ledger_entry set actor = 'eve' where index = 42`],
    { code: 'entry.contradicted', firstBadIndex: 42 },
  ],
  [
    'an entry hidden from a stream',
    [sql`delete from ledger_subject where subject = 'application/shop' and index = 42`],
    { code: 'entry.contradicted', firstBadIndex: 42 },
  ],
  [
    'an entry shown in a stream it does not belong to',
    [sql`insert into ledger_subject values ('application/other', 42)`],
    { code: 'stream.edited' },
  ],
  [
    'a hash of an upper tile edited',
    [sql`update ledger_tile set hashes = set_byte(hashes, 33, get_byte(hashes, 33) # 1) where level = 1`],
    { code: 'tile.edited', within: { from: 256, to: 512 } },
  ],
  ['a leaf tile deleted', [sql`delete from ledger_tile where level = 0 and index = 1`], { code: 'entry.contradicted', firstBadIndex: 256 }],
  ['an upper tile deleted', [sql`delete from ledger_tile where level = 1`], { code: 'tile.edited' }],
];

describe('an attack is found and the first bad index named:', () => {
  test.each(attacks)('%s', async (_, statements, expected) => {
    const { verdict, finding, sentence } = await after(running(...statements));

    expect({ verdict, finding }).toMatchObject({ verdict: 'failed', finding: expected });
    expect(sentence).toContain(expected.firstBadIndex === undefined ? '' : `first bad index ${expected.firstBadIndex}:`);
  });
});

test('a ledger cut off with everything about it is found by whoever kept a checkpoint', async () => {
  const { rows } = await sql<{ note: string }>`select note from ledger_checkpoint where size = 600`.execute(database.db);
  const cut = running(
    sql`delete from ledger_checkpoint where size = 600`,
    sql`delete from ledger_entry where index >= 301`,
    sql`delete from ledger_subject where index >= 301`,
    sql`delete from ledger_tile where level = 0 and index = 2`,
    sql`update ledger_tile set hashes = substr(hashes, 1, 45 * 32) where level = 0 and index = 1`,
    sql`update ledger_tile set hashes = substr(hashes, 1, 32) where level = 1`,
  );

  expect((await after(cut)).verdict).toBe('verified');
  expect(
    (
      await after(
        cut,
        rows.map(({ note }) => note),
      )
    ).finding,
  ).toMatchObject({ code: 'entry.missing', firstBadIndex: 301 });
});

test('a ledger signed by another key does not verify', async () => {
  expect((await verifyLedger(database.db, { verifierKey: testLedgerKey().verifierKey })).finding).toMatchObject({
    code: 'checkpoint.signature',
  });
});
