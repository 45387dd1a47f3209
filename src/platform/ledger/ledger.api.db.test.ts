import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { testHttp, tokenWith } from '../../../test/support/http.ts';
import { integrated, recordAll, someChange, testLedger, type TestLedger } from '../../../test/support/ledger.ts';
import { systemClock } from '../clock.ts';
import { mountRoutes } from '../http/index.ts';
import { openCheckpoint } from './checkpoint.ts';
import { parseHeader, parseLine } from './export.ts';
import { mountLedgerFiles } from './ledger-files.api.ts';
import { ledgerRoutes } from './ledger.api.ts';
import { CompactRange, isConsistent, leafHash } from './merkle-tree.ts';
import { openProof, parseProof } from './proof.ts';
import { noteVerifier } from './signed-note.ts';
import { decodeBundle } from './tiles.ts';
import { verifyRecords } from './verify.ts';

const count = 300;
let database: TestDatabase;
let ledger: TestLedger;
let app: FastifyInstance;
let auditor: string;

beforeAll(async () => {
  database = await testDatabase();
  ledger = testLedger(database.url);
  const deps = { db: database.db, clock: systemClock, ledgerKey: ledger.key, checkAnswers: true };
  app = await testHttp({ db: database.db });
  mountRoutes(app, deps, ledgerRoutes(deps));
  mountLedgerFiles(app, deps);
  auditor = await tokenWith(database.db, 'carol', ['ledger.read']);
  await recordAll(
    database.db,
    Array.from({ length: count }, (_, serial) =>
      someChange(serial, { actor: serial % 10 === 0 ? 'bob' : 'ada', related: ['application/shop'] }),
    ),
  );
  await integrated(database.db);
});
afterAll(async () => {
  await app.close();
  await ledger.sequencer.stop();
  await database.close();
});

async function ask(path: string, token = auditor) {
  return app.inject({ method: 'GET', url: `/api/v1/ledger${path}`, headers: { authorization: `Bearer ${token}` } });
}

async function size(): Promise<number> {
  return (await ask('')).json<{ size: number }>().size;
}

test('the head names size, tree hash and key', async () => {
  const checkpoint = openCheckpoint((await ask('/checkpoint')).body, noteVerifier(ledger.key.verifierKey));

  expect((await ask('')).json()).toMatchObject({
    origin: ledger.key.name,
    key: ledger.key.verifierKey,
    pending: 0,
    size: checkpoint?.size,
    root: checkpoint?.root.toString('base64'),
  });
  expect((await ask('/checkpoint')).headers['content-type']).toBe('text/plain; charset=utf-8');
});

test('pages walk through a filtered list and meet every entry once, newest first', async () => {
  const indexes: number[] = [];
  let cursor = '';
  do {
    const page = (await ask(`/entries?actor=bob&limit=7${cursor}`)).json<{
      items: { index: number; actor: string }[];
      nextCursor?: string;
    }>();
    expect(page.items.map(({ actor }) => actor)).toEqual(page.items.map(() => 'bob'));
    indexes.push(...page.items.map(({ index }) => index));
    cursor = page.nextCursor === undefined ? '' : `&cursor=${page.nextCursor}`;
  } while (cursor !== '');

  expect(indexes).toHaveLength(count / 10);
  expect(indexes).toEqual(indexes.toSorted((a, b) => b - a));
});

test('a subject lists own and related entries; actor, action and subject narrow together', async () => {
  const list = async (query: string) =>
    (await ask(`/entries?${query}`)).json<{ items: { subject: string }[] }>().items.map(({ subject }) => subject);

  expect(await list('subject=release/shop@7')).toEqual(['release/shop@7']);
  expect(await list('subject=application/shop&limit=2&order=oldest-first')).toEqual(['release/shop@0', 'release/shop@1']);
  expect(await list('subject=application/shop&actor=bob&action=release.created&limit=2&order=oldest-first')).toEqual([
    'release/shop@0',
    'release/shop@10',
  ]);
  expect(await list('actor=nobody')).toEqual([]);
});

test('the receipt of any entry proves it offline', async () => {
  const last = (await size()) - 1;
  for (const index of [0, 255, 256, last]) {
    const { leaf } = (await ask(`/entries/${index}`)).json<{ leaf: string }>();
    const proof = parseProof((await ask(`/entries/${index}/proof`)).body);
    expect(openProof(proof, leaf, noteVerifier(ledger.key.verifierKey))?.size).toBe(last + 1);
    expect(proof.extra?.toString()).toBe(leaf);
  }
});

test('who kept an earlier tree hash gets a proof that it is the beginning of the present one', async () => {
  const leaves = decodeBundle((await ask('/tile/entries/000')).rawPayload);
  const kept = new CompactRange();
  for (const leaf of leaves.slice(0, 100)) kept.append(leafHash(leaf));

  const { to, proof, checkpoint } = (await ask('/consistency?from=100')).json<{ to: number; proof: string[]; checkpoint: string }>();
  const toRoot = openCheckpoint(checkpoint, noteVerifier(ledger.key.verifierKey))?.root ?? Buffer.alloc(0);

  expect(isConsistent({ from: 100, to, fromRoot: kept.root(), toRoot, proof: proof.map((hash) => Buffer.from(hash, 'base64')) })).toBe(
    true,
  );
  expect((await ask('/consistency?from=99999')).statusCode).toBe(404);
});

test('tiles and entry bundles are served as C2SP says, and never a tile the checkpoint does not cover', async () => {
  const width = (await size()) - 256;
  const [hashes, bundle, upper] = [await ask('/tile/0/000'), await ask(`/tile/entries/001.p/${width}`), await ask('/tile/1/000.p/1')];
  const leaves = decodeBundle((await ask('/tile/entries/000')).rawPayload);

  expect(leaves).toHaveLength(256);
  expect(hashes.rawPayload).toEqual(Buffer.concat(leaves.map((leaf) => leafHash(leaf))));
  expect(hashes.headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'cache-control': 'private, max-age=31536000, immutable',
  });
  expect(decodeBundle(bundle.rawPayload)).toHaveLength(width);
  expect(upper.rawPayload).toHaveLength(32);
  for (const path of ['0/001', `0/001.p/${width + 1}`, '1/000', '0/002.p/1', 'entries/001', '0/0', '0/..%2f..%2fkeys', '99/000']) {
    expect([path, (await ask(`/tile/${path}`)).statusCode]).toEqual([path, 404]);
  }
});

test('the export verifies on its own', async () => {
  const [header = '', ...lines] = (await ask('/export')).body.trimEnd().split('\n');
  async function* records() {
    yield lines.map(parseLine);
  }

  const { key = '', checkpoint = '' } = parseHeader(header) ?? {};
  expect(await verifyRecords(records(), { verifier: noteVerifier(key), anchors: [checkpoint] })).toMatchObject({
    verdict: 'verified',
    size: await size(),
  });
});

test('who may not read the ledger gets nothing of it, and what is not there is 404', async () => {
  const developer = await tokenWith(database.db, 'dave', ['release.read']);
  for (const path of ['', '/checkpoint', '/entries', '/entries/0', '/entries/0/proof', '/tile/0/000', '/export']) {
    expect([path, (await ask(path, developer)).statusCode]).toEqual([path, 403]);
    expect([path, (await app.inject(`/api/v1/ledger${path}`)).statusCode]).toEqual([path, 401]);
  }
  expect([(await ask('/entries/99999')).statusCode, (await ask('/entries/99999/proof')).statusCode]).toEqual([404, 404]);
  expect([
    (await ask('/entries/-1')).statusCode,
    (await ask('/entries?limit=0')).statusCode,
    (await ask('/entries?cursor=x')).statusCode,
  ]).toEqual([400, 400, 400]);
});
