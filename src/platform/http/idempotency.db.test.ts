import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { testDatabase } from '../../../test/support/database.ts';
import type { TestDatabase } from '../../../test/support/database.ts';
import { ask, testHttp, tokenWith } from '../../../test/support/http.ts';
import { systemClock } from '../clock.ts';
import { mountRoutes, write } from './index.ts';

let database: TestDatabase;
let app: FastifyInstance;
let token: string;
let other: string;
const done: unknown[] = [];
let held: PromiseWithResolvers<void> | undefined;
let entered: PromiseWithResolvers<void> | undefined;

beforeAll(async () => {
  database = await testDatabase();
  app = await testHttp({ db: database.db, settings: { logLevel: 'silent' } });
  mountRoutes(app, { db: database.db, clock: systemClock, checkAnswers: true }, toyRoutes);
  token = await tokenWith(database.db, 'ann', ['release.create']);
  other = await tokenWith(database.db, 'ben', ['release.create']);
});

afterAll(async () => {
  await app.close();
  await database.close();
});

const Made = z.object({ name: z.string(), number: z.number() });
const toyRoutes = [
  write({
    method: 'POST',
    path: '/api/v1/toys',
    operation: 'makeToy',
    access: 'release.create',
    summary: 'Makes a toy',
    body: z.strictObject({ name: z.string().max(20), fail: z.boolean().optional(), wait: z.boolean().optional() }),
    result: Made,
    status: 201,
    handle: async ({ body }) => {
      entered?.resolve();
      if (body.wait === true) await held?.promise;
      if (body.fail === true) throw new Error('secret detail');
      done.push(body.name);
      return { body: { name: body.name, number: done.length }, version: done.length, location: `/api/v1/toys/${body.name}` };
    },
  }),
  write({
    method: 'POST',
    path: '/api/v1/toy-secrets',
    operation: 'makeSecretToy',
    access: 'release.create',
    summary: 'Shows a secret once',
    result: z.object({ secret: z.string() }),
    status: 201,
    showsSecret: true,
    handle: async (_call) => ({ body: { secret: 'tg_shown-once' }, location: '/api/v1/toy-secrets/1' }),
  }),
];

test('a repeat with the same Idempotency-Key is answered alike and done once', async () => {
  const before = done.length;
  const key = { 'idempotency-key': crypto.randomUUID() };

  const first = await ask(app, 'POST /api/v1/toys', { token, body: { name: 'once' }, headers: key });
  const second = await ask(app, 'POST /api/v1/toys', { token, body: { name: 'once' }, headers: key });

  expect(first.status).toBe(201);
  expect([second.status, second.text, second.headers['etag'], second.headers['location']]).toEqual([
    201,
    first.text,
    first.headers['etag'],
    '/api/v1/toys/once',
  ]);
  expect(second.headers['idempotent-replayed']).toBe('true');
  expect(done.length).toBe(before + 1);
});

test('an Idempotency-Key with another body or another path is refused with 422', async () => {
  const key = { 'idempotency-key': crypto.randomUUID() };
  await ask(app, 'POST /api/v1/toys', { token, body: { name: 'first' }, headers: key });

  const body = await ask(app, 'POST /api/v1/toys', { token, body: { name: 'second' }, headers: key });
  const path = await ask(app, 'POST /api/v1/toy-secrets', { token, headers: key });

  expect([body.status, body.json.code, path.status, path.json.code]).toEqual([
    422,
    'idempotency.key-reused',
    422,
    'idempotency.key-reused',
  ]);
});

test('the key of one principal means nothing to another', async () => {
  const key = { 'idempotency-key': crypto.randomUUID() };
  await ask(app, 'POST /api/v1/toys', { token, body: { name: 'mine' }, headers: key });

  const answer = await ask(app, 'POST /api/v1/toys', { token: other, body: { name: 'yours' }, headers: key });

  expect(answer.status).toBe(201);
});

test('a repeat while the first request still runs is refused with 409, and works afterwards', async () => {
  held = Promise.withResolvers<void>();
  entered = Promise.withResolvers<void>();
  const asked = { token, body: { name: 'slow', wait: true }, headers: { 'idempotency-key': crypto.randomUUID() } };
  const first = ask(app, 'POST /api/v1/toys', asked);
  await entered.promise;

  const during = await ask(app, 'POST /api/v1/toys', asked);
  held.resolve();
  const [finished, after] = [await first, await ask(app, 'POST /api/v1/toys', asked)];

  expect([during.status, during.json.code]).toEqual([409, 'idempotency.in-progress']);
  expect([finished.status, after.status, after.text]).toEqual([201, 201, finished.text]);
});

test('a request that failed leaves its Idempotency-Key free', async () => {
  const key = { 'idempotency-key': crypto.randomUUID() };

  const failed = await ask(app, 'POST /api/v1/toys', { token, body: { name: 'x', fail: true }, headers: key });
  const second = await ask(app, 'POST /api/v1/toys', { token, body: { name: 'x' }, headers: key });

  expect([failed.status, second.status]).toEqual([500, 201]);
  expect(failed.text).not.toContain('secret detail');
});

test('an answer that shows a secret is never kept, and its repeat says what to do', async () => {
  const key = { 'idempotency-key': crypto.randomUUID() };
  const first = await ask(app, 'POST /api/v1/toy-secrets', { token, headers: key });
  const second = await ask(app, 'POST /api/v1/toy-secrets', { token, headers: key });

  const kept = await database.db
    .withTables<{ idempotency_key: { body: string | null } }>()
    .selectFrom('idempotency_key')
    .selectAll()
    .execute();

  expect([first.status, first.headers['cache-control'], second.status, second.json.code]).toEqual([
    201,
    'no-store',
    409,
    'idempotency.secret-shown',
  ]);
  expect(JSON.stringify(kept)).not.toContain('tg_shown-once');
});

test('a malformed Idempotency-Key is refused with 400', async () => {
  const answer = await ask(app, 'POST /api/v1/toys', { token, body: { name: 'x' }, headers: { 'idempotency-key': 'x'.repeat(256) } });

  expect([answer.status, answer.json.code]).toEqual([400, 'idempotency.malformed']);
});
