import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/database.ts';
import { testDatabase } from '../../test/support/database.ts';
import { testHttp, tokenWith } from '../../test/support/http.ts';
import { systemClock } from '../platform/clock.ts';
import type { Transaction } from '../platform/database/database.ts';
import type { Digest } from '../platform/digest.ts';
import { mountRoutes } from '../platform/http/index.ts';
import { findArtifact } from './artifact.store.ts';
import { buildRoutes } from './build.api.ts';
import { failBuild, findBuild, findBuildLog, finishBuild, startBuild } from './build.store.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const at = new Date('2026-11-23T10:00:00Z');
const later = new Date('2026-11-23T10:01:00Z');
const digestOf = (digit: string): Digest => `sha256:${digit.repeat(64)}`;
const within = <T>(work: (tx: Transaction) => Promise<T>) => database.db.transaction().execute(work);
const start = (release: string) => within((tx) => startBuild(tx, { release, application: 'shop', commit: 'c'.repeat(40), tag: 'v1', at }));
const finish = (release: string, digest: Digest, bytes = 5) =>
  within((tx) => finishBuild(tx, { release, digest, bytes, log: ['one', 'two'], at: later }));
const fail = (release: string) =>
  within((tx) => failBuild(tx, { release, reason: { code: 'build.failed', sentence: 'It failed.' }, log: ['boom'], at: later }));

async function recorded(release: string): Promise<readonly string[]> {
  const { rows } = await sql<{ leaf: string }>`select leaf from ledger_pending`.execute(database.db);
  const leaves = rows.map((row) => JSON.parse(row.leaf) as { action: string; related: string[] });
  return leaves.filter((leaf) => leaf.related.includes(`release/${release}`)).map((leaf) => leaf.action);
}

test('a build starts, succeeds and names its artifact, and each step is in the ledger once', async () => {
  expect(await findBuild(database.db, 'shop@1.0.0')).toBeUndefined();
  await start('shop@1.0.0');
  await start('shop@1.0.0');
  await finish('shop@1.0.0', digestOf('1'));
  await finish('shop@1.0.0', digestOf('1'));
  await start('shop@1.0.0');

  expect(await findBuild(database.db, 'shop@1.0.0')).toEqual({
    id: 'shop@1.0.0~1',
    release: 'shop@1.0.0',
    attempt: 1,
    application: 'shop',
    tag: 'v1',
    commit: 'c'.repeat(40),
    state: 'succeeded',
    artifactDigest: digestOf('1'),
    createdAt: at,
    startedAt: at,
    finishedAt: later,
  });
  expect(await findBuildLog(database.db, 'shop@1.0.0')).toBe('one\ntwo');
  expect(await findArtifact(database.db, digestOf('1'))).toEqual({
    digest: digestOf('1'),
    bytes: 5,
    build: 'shop@1.0.0~1',
    createdAt: later,
  });
  expect(await recorded('shop@1.0.0')).toEqual(['build.started', 'build.succeeded']);
});

test('the same build with other bytes is refused with both digests, and nothing changes', async () => {
  await start('shop@1.1.0');
  await finish('shop@1.1.0', digestOf('2'));

  await expect(finish('shop@1.1.0', digestOf('3'))).rejects.toMatchObject({
    code: 'artifact.immutable',
    status: 409,
    extra: { expected: digestOf('2'), got: digestOf('3') },
  });
  expect(await findArtifact(database.db, digestOf('3'))).toBeUndefined();
});

test('two builds of the same bytes are one artifact, and it keeps its first build', async () => {
  await start('shop@1.2.0');
  await finish('shop@1.2.0', digestOf('2'));
  expect((await findArtifact(database.db, digestOf('2')))?.build).toBe('shop@1.1.0~1');
});

test('a digest never has two sizes', async () => {
  await start('shop@1.3.0');
  await expect(finish('shop@1.3.0', digestOf('2'), 6)).rejects.toMatchObject({ code: 'artifact.immutable' });
  expect((await findBuild(database.db, 'shop@1.3.0'))?.state).toBe('running');
});

test('a failed build keeps its reason, is not finished afterwards, and may be tried again', async () => {
  await start('shop@2.0.0');
  await fail('shop@2.0.0');
  await fail('shop@2.0.0');

  expect(await findBuild(database.db, 'shop@2.0.0')).toMatchObject({
    state: 'failed',
    reason: { code: 'build.failed', sentence: 'It failed.' },
  });
  await expect(finish('shop@2.0.0', digestOf('4'))).rejects.toMatchObject({ code: 'build.wrong-state', status: 409 });
  expect(await start('shop@2.0.0')).toMatchObject({ id: 'shop@2.0.0~2', state: 'running' });
  expect(await recorded('shop@2.0.0')).toEqual(['build.started', 'build.failed', 'build.started']);
});

test('a build nobody started cannot end', async () => {
  await expect(finish('shop@9.9.9', digestOf('5'))).rejects.toMatchObject({ code: 'build.unknown', status: 404 });
});

test('two that start a build at once make one', async () => {
  const results = await Promise.allSettled([start('shop@3.0.0'), start('shop@3.0.0'), start('shop@3.0.0')]);
  expect(results.some((result) => result.status === 'fulfilled')).toBe(true);
  expect(await findBuild(database.db, 'shop@3.0.0')).toMatchObject({ attempt: 1, state: 'running' });
  expect(await recorded('shop@3.0.0')).toEqual(['build.started']);
});

test('a build is read with its artifact, its reason and its log, by those who may', async () => {
  const app = await testHttp({ db: database.db });
  try {
    mountRoutes(app, { db: database.db, clock: systemClock }, buildRoutes({ db: database.db }));
    const reader = await tokenWith(database.db, 'reader', ['build.read']);
    const get = (release: string, token: string) =>
      app.inject({ url: `/api/v1/releases/${release}/build`, headers: { authorization: `Bearer ${token}` } });

    const succeeded = await get('shop@1.0.0', reader);
    expect(succeeded.json()).toMatchObject({
      id: 'shop@1.0.0~1',
      state: 'succeeded',
      artifact: { digest: digestOf('1'), bytes: 5 },
      reason: null,
      log: 'one\ntwo',
    });
    expect((await get('shop@2.0.0', reader)).json()).toMatchObject({
      id: 'shop@2.0.0~2',
      state: 'running',
      artifact: null,
      finishedAt: null,
    });
    expect((await get('shop@9.9.9', reader)).json()).toMatchObject({ status: 404, code: 'build.unknown' });
    const stranger = await tokenWith(database.db, 'stranger', ['freeze.read']);
    expect((await get('shop@1.0.0', stranger)).statusCode).toBe(403);
  } finally {
    await app.close();
  }
});

test('the database itself refuses to change an artifact', async () => {
  const edit = sql`update artifact set bytes = 6 where digest = ${digestOf('1')}`.execute(database.db);
  await expect(edit).rejects.toThrow('a row of artifact never changes');
});
