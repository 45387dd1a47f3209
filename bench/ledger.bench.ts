import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { connectDatabase } from '../src/platform/database/connect.ts';
import type { Database, Transaction } from '../src/platform/database/database.ts';
import { migrateDatabase } from '../src/platform/database/migrate.ts';
import type { Change } from '../src/platform/ledger/change.ts';
import { encodeEntry } from '../src/platform/ledger/entry.ts';
import { recordChange } from '../src/platform/ledger/record.store.ts';
import { startSequencer } from '../src/platform/ledger/sequencer.ts';
import { noteSigner } from '../src/platform/ledger/signed-note.ts';
import { verifyLedger } from '../src/platform/ledger/verify.store.ts';

const writers = 8;
const rounds = 4;
const perRound = 4_000;

/**
 * `ledger.append_ratio`: changes per second with 8 writers, over plain single-row inserts of the same text per second with
 * 8 writers. A change counts when it stands under a signed checkpoint, not when it is pending. The rounds alternate, so
 * that a slow minute of the machine meets both. `ledger.verify_per_s`: entries per second of `verifyLedger` over them.
 */
export async function ledgerBench(
  { adminUrl }: { readonly adminUrl: string },
  report: (name: string, value: number) => void,
): Promise<void> {
  await withScratchDatabase(adminUrl, async (url) => {
    const db = connectDatabase(url, { poolSize: writers + 2 });
    const key = noteSigner('bench.tidegate.dev/ledger', generateKeyPairSync('ed25519').privateKey);
    const quiet = { info: () => {}, error: (details: object) => console.error(details) };
    const sequencer = startSequencer({ url, key, log: quiet });
    try {
      await sql`create table plain (id bigint generated always as identity primary key, leaf text not null)`.execute(db);
      const seconds = { plain: 0, ledger: 0 };
      await insertAll(db, insertPlain, 1_000);
      await appendAll(db, 1_000);
      for (let round = 0; round < rounds; round += 1) {
        seconds.plain += await timed(() => insertAll(db, insertPlain, perRound));
        seconds.ledger += await timed(() => appendAll(db, perRound));
      }
      report('ledger.append_per_s', (rounds * perRound) / seconds.ledger);
      report('ledger.append_ratio', seconds.plain / seconds.ledger);
      await verifyAll(db, key.verifierKey, report);
    } finally {
      await sequencer.stop();
      await db.destroy();
    }
  });
}

async function verifyAll(db: Database, verifierKey: string, report: (name: string, value: number) => void): Promise<void> {
  let size = 0;
  const seconds = await timed(async () => {
    const verification = await verifyLedger(db, { verifierKey });
    if (verification.verdict !== 'verified') throw new Error(`expected the ledger to verify, got: ${verification.sentence}`);
    size = verification.size;
  });
  report('ledger.verify_per_s', size / seconds);
}

/** About the size of an approval or of a step of a deployment. */
function change(serial: number): Change {
  return {
    actor: 'system:reconciler',
    action: 'deployment.traffic-shifted',
    subject: `deployment/${serial}`,
    related: [`release/storefront@1.${serial % 100}.0`],
    before: {
      share: 0.05,
      instance: 'storefront-1-0-0',
      candidate: 'sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
    },
    after: {
      share: 0.25,
      instance: 'storefront-1-1-0',
      candidate: 'sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9',
    },
    reason: 'passed early: not worse than twice the errors of 1.0.0',
    at: new Date(),
  };
}

async function insertPlain(tx: Transaction, serial: number): Promise<void> {
  await sql`insert into plain (leaf) values (${encodeEntry(randomUUID(), change(serial))})`.execute(tx);
}

async function insertAll(db: Database, insert: (tx: Transaction, serial: number) => Promise<void>, count: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (next < count) {
        const serial = next++;
        await db.transaction().execute((tx) => insert(tx, serial));
      }
    }),
  );
}

async function appendAll(db: Database, count: number): Promise<void> {
  await insertAll(db, (tx, serial) => recordChange(tx, change(serial)), count);
  while ((await sql`select from ledger_pending limit 1`.execute(db)).rows.length > 0) await sleep(2);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

async function withScratchDatabase(adminUrl: string, work: (url: string) => Promise<void>): Promise<void> {
  const name = `bench_${randomUUID().replaceAll('-', '')}`;
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await admin.query(`create database ${name}`);
    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    await migrateDatabase(url.href);
    await work(url.href);
  } finally {
    await admin.query(`drop database if exists ${name} with (force)`);
    await admin.end();
  }
}
