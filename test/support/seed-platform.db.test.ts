import { afterAll, beforeAll, expect, test } from 'vitest';
import { listReleases } from '../../src/pipelines/release-list.store.ts';
import { nextAction } from '../../src/pipelines/release-run.ts';
import { loadRun } from '../../src/pipelines/run-facts.store.ts';
import { why } from '../../src/pipelines/why.ts';
import { listEntries } from '../../src/platform/ledger/ledger.store.ts';
import { verifyLedger } from '../../src/platform/ledger/verify.store.ts';
import { type TestDatabase, testDatabase } from './database.ts';
import { integrated, recordAll, someChange, testLedger, testLedgerKey } from './ledger.ts';
import { type SeededPlatform, seedPlatform } from './seed-platform.ts';

const key = testLedgerKey();
const now = new Date('2026-11-23T10:00:00Z');
const sizes = { applications: 2, releases: 120, entries: 1_300, freezes: 10 };
let database: TestDatabase;
let seeded: SeededPlatform;
beforeAll(async () => {
  database = await testDatabase();
  seeded = await seedPlatform(database.db, { ...sizes, ledgerKey: key, now });
});
afterAll(() => database.close());

test('a seeded ledger verifies, and the sequencer goes on from it', async () => {
  const { db, url } = database;
  expect(await verifyLedger(db, { verifierKey: key.verifierKey })).toMatchObject({ verdict: 'verified', size: sizes.entries });

  const { sequencer, errors } = testLedger(url, key);
  await recordAll(db, [someChange(1)]);
  await integrated(db);
  await sequencer.stop();

  expect(errors).toEqual([]);
  const verified = await verifyLedger(db, { verifierKey: key.verifierKey });
  expect(verified.verdict).toBe('verified');
  expect(verified.size).toBeGreaterThan(sizes.entries);
});

test('seeded releases are what the reconciler would have left: nothing ended has anything to do, candidates are current', async () => {
  const runs = await Promise.all(seeded.releases.map((id) => loadRun(database.db, id, now)));
  const of = (state: string) => runs.flatMap((run) => (run?.facts.run.state === state ? [run.facts] : []));

  // Those who wait for people, and canaries that were left alone past their deadline.
  expect(new Set(of('active').map((facts) => nextAction(facts)?.do))).toEqual(new Set(['wait', 'revert']));
  expect(new Set(of('completed').map((facts) => why(facts).effect))).toEqual(new Set(['allow']));
  for (const state of ['completed', 'rolled-back', 'failed', 'cancelled'])
    expect([state, new Set(of(state).map(nextAction))]).toEqual([state, new Set([undefined])]);
});

test.each([
  {},
  { application: 'shop-01' },
  { state: 'completed' },
  { state: 'rolled-back', application: 'shop-01' },
  { state: 'rolling-back' },
] as const)('pages of %j hold every such release once, newest first', async (filter) => {
  const all = await listReleases(database.db, { ...filter, limit: 1_000 });
  const walked: string[] = [];
  let before: { readonly createdAt: Date; readonly id: string } | undefined;
  for (;;) {
    const page = await listReleases(database.db, { ...filter, before, limit: 7 });
    const last = page.at(-1);
    if (!last) break;
    walked.push(...page.map(({ id }) => id));
    before = { createdAt: last.created_at, id: last.id };
  }

  expect(walked).toEqual(all.map(({ id }) => id));
  expect(all.map(({ created_at }) => created_at.getTime())).toEqual(
    all.map(({ created_at }) => created_at.getTime()).toSorted((a, b) => b - a),
  );
  const runs = await Promise.all(seeded.releases.map((id) => loadRun(database.db, id, now)));
  const mine = runs
    .flatMap((run) => run?.facts ?? [])
    .filter(({ release }) => !('application' in filter) || release.application === filter.application)
    .filter(({ run }) => !('state' in filter) || run.state === filter.state);
  expect(walked.toSorted()).toEqual(mine.map(({ release }) => release.id).toSorted());
});

test.each([
  {},
  { actor: 'sam' },
  { action: 'approval.given' },
  { actor: 'sam', action: 'analysis.verdict' },
  { subject: 'environment/production' },
  { subject: 'environment/production', actor: 'sam' },
  { subject: 'environment/production', action: 'deployment.started', actor: 'dana' },
] as const)('ledger pages of %j hold every such entry once, from either end', async (filter) => {
  const everything = await listEntries(database.db, { limit: 10_000 });
  const wanted = everything
    .filter(({ entry }) => !('actor' in filter) || entry.actor === filter.actor)
    .filter(({ entry }) => !('action' in filter) || entry.action === filter.action)
    .filter(({ entry }) => !('subject' in filter) || [entry.subject, ...(entry.related ?? [])].includes(filter.subject))
    .map(({ index }) => index);
  for (const order of ['oldest-first', 'newest-first'] as const) {
    const walked: number[] = [];
    let after: number | undefined;
    for (;;) {
      const page = await listEntries(database.db, { ...filter, order, limit: 50, ...(after === undefined ? {} : { after }) });
      if (page.length === 0) break;
      walked.push(...page.map(({ index }) => index));
      after = walked.at(-1);
    }

    expect(walked).toEqual(order === 'oldest-first' ? wanted : wanted.toReversed());
  }
});
