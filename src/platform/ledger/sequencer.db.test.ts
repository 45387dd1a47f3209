import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { integrated, recordAll, someChange, testLedger, type TestLedger, testLedgerKey, until } from '../../../test/support/ledger.ts';
import { Fault } from '../fault.ts';
import { findEntry, ledgerBacklog, ledgerSize, listEntries } from './ledger.store.ts';
import { recordChange } from './record.store.ts';
import { sequencerLock } from './sequencer.ts';
import { verifyLedger } from './verify.store.ts';

const key = testLedgerKey();
let database: TestDatabase;
let running: TestLedger[] = [];

function start(signer = key): TestLedger {
  const ledger = testLedger(database.url, signer);
  running.push(ledger);
  return ledger;
}

async function subjectsInOrder(after = -1): Promise<string[]> {
  return (await listEntries(database.db, { after, limit: 10_000 })).map(({ entry }) => entry.subject);
}

beforeAll(async () => {
  database = await testDatabase();
});
afterEach(async () => {
  await Promise.all(running.map(({ sequencer }) => sequencer.stop()));
  running = [];
});
afterAll(() => database.close());

describe('recording', () => {
  let before = 0;
  beforeEach(async () => {
    before = await ledgerSize(database.db);
  });

  test('a change is in the ledger when its action is committed, and not when it is rolled back', async () => {
    start();
    const failed = database.db.transaction().execute(async (tx) => {
      await recordChange(tx, someChange(1));
      throw new Error('the action failed');
    });
    await expect(failed).rejects.toThrow('the action failed');

    await recordAll(database.db, [someChange(2)]);
    await integrated(database.db);

    expect(await subjectsInOrder(before - 1)).toEqual(['release/shop@2']);
    expect(await findEntry(database.db, before)).toMatchObject({
      entry: { actor: 'ada', action: 'release.created', after: { serial: 2 } },
    });
  });

  test('a change the ledger cannot hold refuses its action', async () => {
    const action = database.db.transaction().execute((tx) => recordChange(tx, someChange(1, { subject: 'nonsense' })));

    await expect(action).rejects.toMatchObject({ code: 'ledger.invalid-change' });
  });

  test('eight writers at once: every change exactly once, no gap, and the changes of one action together and in order', async () => {
    start();
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let at = 0; at < 25; at += 1) {
        await database.db.transaction().execute(async (tx) => {
          await recordChange(tx, someChange(at, { subject: `first/${writer}-${at}` }));
          await recordChange(tx, someChange(at, { subject: `second/${writer}-${at}` }));
        });
      }
    });
    await Promise.all(writers);
    await integrated(database.db);

    const subjects = await subjectsInOrder(before - 1);
    expect(subjects).toHaveLength(400);
    expect(new Set(subjects).size).toBe(400);
    for (const subject of subjects.filter((one) => one.startsWith('first/'))) {
      expect(subjects.indexOf(subject.replace('first', 'second'))).toBeGreaterThan(subjects.indexOf(subject));
    }
    expect(await verifyLedger(database.db, { verifierKey: key.verifierKey })).toMatchObject({ verdict: 'verified', size: before + 400 });
  });

  test('a transaction that commits late, behind higher ids, is not lost', async () => {
    start();
    const inserted = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const late = database.db.transaction().execute(async (tx) => {
      await recordChange(tx, someChange(1, { subject: 'late/1' }));
      inserted.resolve();
      await release.promise;
    });
    await inserted.promise;
    await recordAll(database.db, [someChange(2, { subject: 'early/2' })]);
    await until(async () => (await ledgerSize(database.db)) === before + 1);

    release.resolve();
    await late;
    await integrated(database.db);

    expect(await subjectsInOrder(before - 1)).toEqual(['early/2', 'late/1']);
  });

  test('a pending row that is no entry does not stop the ledger', async () => {
    await sql`insert into ledger_pending (leaf) values ('not JSON'), ('{"id":1}')`.execute(database.db);
    start();
    await recordAll(database.db, [someChange(3)]);
    await integrated(database.db);

    expect((await listEntries(database.db, { after: before - 1, limit: 3 })).map(({ entry }) => entry.action)).toEqual([
      'ledger.foreign-leaf',
      'ledger.foreign-leaf',
      'release.created',
    ]);
    expect((await verifyLedger(database.db, { verifierKey: key.verifierKey })).verdict).toBe('verified');
  });
});

describe('one sequencer at a time', () => {
  test('another takes over when the first stops', async () => {
    const first = start();
    start();
    await recordAll(database.db, [someChange(1)]);
    await integrated(database.db);

    await first.sequencer.stop();
    await recordAll(database.db, [someChange(2)]);
    await integrated(database.db);

    expect(await verifyLedger(database.db, { verifierKey: key.verifierKey })).toMatchObject({ verdict: 'verified' });
  });

  test('a session that is cut off again and again loses and doubles nothing', async () => {
    const before = await ledgerSize(database.db);
    const { errors } = start();
    start();
    for (let round = 0; round < 10; round += 1) {
      await recordAll(
        database.db,
        Array.from({ length: 20 }, (_, at) => someChange(at, { subject: `cut/${round}-${at}` })),
      );
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tidegate sequencer'`.execute(
        database.db,
      );
    }
    await integrated(database.db);

    const subjects = await subjectsInOrder(before - 1);
    expect([subjects.length, new Set(subjects).size]).toEqual([200, 200]);
    expect(errors).toEqual([]);
    expect((await verifyLedger(database.db, { verifierKey: key.verifierKey })).verdict).toBe('verified');
  });

  test('a holder that falls silent loses its place: the database ends its session, and the lock goes with it', async () => {
    const silent = new pg.Client({ connectionString: database.url, application_name: 'stopped sequencer' });
    silent.on('error', () => {});
    await silent.connect();
    await silent.query(`set idle_session_timeout = '300ms'`);
    await silent.query('select pg_advisory_lock($1)', [sequencerLock]);
    start();

    await recordAll(database.db, [someChange(1)]);
    await integrated(database.db);

    await expect(silent.query('select 1')).rejects.toThrow(/terminat|not queryable/i);
    await silent.end();
  });
});

describe('it refuses to sign', () => {
  test('a ledger that another key began', async () => {
    start();
    await recordAll(database.db, [someChange(1)]);
    await integrated(database.db);
    await running.pop()?.sequencer.stop();
    const size = await ledgerSize(database.db);

    const stranger = start(testLedgerKey());
    await recordAll(database.db, [someChange(2)]);
    await until(() => stranger.errors.length > 0);

    expect(stranger.errors[0]).toBeInstanceOf(Fault);
    expect(stranger.errors[0]).toMatchObject({ code: 'ledger.other-key' });
    expect(await ledgerSize(database.db)).toBe(size);
    expect(await ledgerBacklog(database.db)).toEqual({ pending: 1 });
    await stranger.sequencer.stop();
    start();
    await integrated(database.db);
  });

  test('on top of tiles that were touched', async () => {
    await integrated(database.db);
    const touch = (xor: number) =>
      database.db.transaction().execute(async (tx) => {
        await sql`set local session_replication_role = replica`.execute(tx);
        await sql`update ledger_tile set hashes = set_byte(hashes, 3, get_byte(hashes, 3) # ${xor}) where level = 0 and index = (select max(index) from ledger_tile where level = 0)`.execute(
          tx,
        );
      });
    await touch(1);

    const { errors, sequencer } = start();
    await recordAll(database.db, [someChange(1)]);
    await until(() => errors.length > 0);

    expect(errors[0]).toMatchObject({ code: 'ledger.corrupt' });
    await sequencer.stop();
    await touch(1);
    start();
    await integrated(database.db);
  });
});

describe('a ledger that is cut while its sequencer runs', () => {
  test('is not signed over: the next change stays pending, and the reason is told', async () => {
    const cut = await testDatabase();
    const ledger = testLedger(cut.url, key);
    try {
      await recordAll(cut.db, [someChange(1), someChange(2), someChange(3)]);
      await integrated(cut.db);
      await cut.db.transaction().execute(async (tx) => {
        await sql`set local session_replication_role = replica`.execute(tx);
        await sql`delete from ledger_entry where index >= 1`.execute(tx);
        await sql`delete from ledger_checkpoint where size > 1`.execute(tx);
      });

      await recordAll(cut.db, [someChange(4)]);
      await until(() => ledger.errors.length > 0);

      expect(ledger.errors[0]).toMatchObject({ code: 'ledger.corrupt' });
      expect(await ledgerBacklog(cut.db)).toEqual({ pending: 1 });
    } finally {
      await ledger.sequencer.stop();
      await cut.close();
    }
  });
});

describe('append-only', () => {
  test.each([
    ['update ledger_entry set leaf = leaf'],
    ['delete from ledger_entry'],
    ['truncate ledger_entry'],
    ['update ledger_subject set subject = subject'],
    ['delete from ledger_subject'],
    ['truncate ledger_subject'],
    ['update ledger_checkpoint set note = note'],
    ['delete from ledger_checkpoint'],
    ['truncate ledger_checkpoint'],
    ['delete from ledger_tile'],
    ['truncate ledger_tile'],
    ['update ledger_tile set hashes = substr(hashes, 1, 32)'],
    [`update ledger_tile set hashes = set_byte(hashes, 0, 255 - get_byte(hashes, 0))`],
    ['update ledger_tile set index = index + 1'],
    ['update ledger_pending set leaf = leaf'],
    ['delete from ledger_pending'],
    ['truncate ledger_pending'],
  ])('refused: %s', async (statement) => {
    await sql`insert into ledger_pending (leaf) values ('{}')`.execute(database.db);

    await expect(sql.raw(statement).execute(database.db)).rejects.toThrow('the ledger is append-only');
  });
});
