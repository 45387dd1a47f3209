import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase } from '../../../test/support/database.ts';
import type { TestDatabase } from '../../../test/support/database.ts';
import { ask, testHttp, tokenWith } from '../../../test/support/http.ts';
import { fixedClock } from '../clock.ts';
import { healthRoutes, mountRoutes } from '../http/index.ts';
import { kindsOf, resourceRoutes } from '../resources/index.ts';
import { ensureFirstAdministrator, principalKind, roleKind, tokenRoutes } from './index.ts';

let database: TestDatabase;
let app: FastifyInstance;
let administrator: string;
const clock = fixedClock('2026-03-01T12:00:00Z');
const logged: string[] = [];
const dayMs = 24 * 60 * 60 * 1000;

beforeAll(async () => {
  database = await testDatabase();
  const { db } = database;
  app = await testHttp({ db, clock, settings: { logLevel: 'info' }, logStream: { write: (line) => logged.push(line) } });
  mountRoutes(app, { db, clock, checkAnswers: true }, [
    ...tokenRoutes({ db }),
    ...healthRoutes({ db }),
    ...resourceRoutes({ db, kinds: kindsOf([principalKind, roleKind]) }),
  ]);
});

afterAll(async () => {
  await app.close();
  await database.close();
});

async function declare(name: string): Promise<void> {
  const text = JSON.stringify({
    apiVersion: 'tidegate.dev/v1',
    kind: 'Principal',
    metadata: { name },
    spec: { kind: 'person', displayName: name },
  });
  const answer = await ask(app, 'POST /api/v1/resources', { token: administrator, body: { files: [{ name: 'f', text }] } });
  expect(answer.status).toBe(200);
}

async function create(principal: string, body: Record<string, unknown> = {}) {
  return ask(app, 'POST /api/v1/tokens', { token: administrator, body: { principal, description: 'laptop', ...body } });
}

/** The whole database as text: what a thief of a dump would have. */
async function dump(): Promise<string> {
  const tables = ['token', 'idempotency_key', 'resource', 'resource_version', 'ledger_pending'];
  const t = database.db.withTables<Record<string, { x: unknown }>>();
  const rows = await Promise.all(tables.map((table) => t.selectFrom(table).selectAll().execute()));
  return JSON.stringify(rows, (_key, value: unknown) => (isBuffer(value) ? Buffer.from(value.data).toString('latin1') : value));
}

function isBuffer(value: unknown): value is { readonly data: readonly number[] } {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer';
}

test('of many processes that start at once exactly one makes the first administrator', async () => {
  const made = await Promise.all(Array.from({ length: 6 }, () => ensureFirstAdministrator(database.db, clock)));

  const tokens = made.filter((token) => token !== undefined);
  administrator = tokens[0] ?? '';
  expect(tokens).toHaveLength(1);
  expect(administrator).toMatch(/^tg_[A-Za-z0-9_-]{43}$/);
  expect(await ensureFirstAdministrator(database.db, clock)).toBeUndefined();
});

test('a first token that could not be kept was never made', async () => {
  const fresh = await testDatabase();
  try {
    const full = (): Promise<void> => Promise.reject(new Error('disk full'));
    await expect(ensureFirstAdministrator(fresh.db, clock, full)).rejects.toThrow('disk full');

    expect(await ensureFirstAdministrator(fresh.db, clock)).toMatch(/^tg_/);
  } finally {
    await fresh.close();
  }
});

test('the first administrator may configure, and nothing else', async () => {
  const me = await ask(app, 'GET /api/v1/me', { token: administrator });

  expect(me.json).toMatchObject({ name: 'administrator', kind: 'person', roles: ['administrator'] });
  expect(me.json.permissions).toContain('resource.apply');
  expect(me.json.permissions).not.toContain('release.promote');
});

test('a token is shown once and kept nowhere: not in the database, the ledger, the list or the log', async () => {
  await declare('ann');
  const key = { 'idempotency-key': crypto.randomUUID() };
  const made = await ask(app, 'POST /api/v1/tokens', {
    token: administrator,
    body: { principal: 'ann', description: 'laptop' },
    headers: key,
  });

  const list = await ask(app, 'GET /api/v1/tokens', { token: administrator });
  const works = await ask(app, 'GET /api/v1/me', { token: made.json.token });
  const repeat = await ask(app, 'POST /api/v1/tokens', {
    token: administrator,
    body: { principal: 'ann', description: 'laptop' },
    headers: key,
  });

  expect([made.status, works.json.name, made.headers['cache-control']]).toEqual([201, 'ann', 'no-store']);
  expect([repeat.status, repeat.json.code]).toEqual([409, 'idempotency.secret-shown']);
  expect(await dump()).not.toContain(made.json.token.slice(3));
  expect(list.text + logged.join('')).not.toContain(made.json.token.slice(3));
});

test('a token is good until its time and refused with 401 from then on', async () => {
  const { json } = await create('ann', { expiresInDays: 1 });
  clock.advance(dayMs - 1);
  const before = await ask(app, 'GET /api/v1/me', { token: json.token });
  clock.advance(1);
  const after = await ask(app, 'GET /api/v1/me', { token: json.token });

  expect([before.status, after.status, after.json.code, after.headers['www-authenticate']]).toEqual([
    200,
    401,
    'token.expired',
    'Bearer realm="tidegate"',
  ]);
});

test('a revoked token is refused with 401 at once; revoking again is fine', async () => {
  const { json } = await create('ann');

  const first = await ask(app, `DELETE /api/v1/tokens/${json.id}`, { token: administrator });
  const second = await ask(app, `DELETE /api/v1/tokens/${json.id}`, { token: administrator });
  const used = await ask(app, 'GET /api/v1/me', { token: json.token });

  expect([first.status, second.status, used.status, used.json.code]).toEqual([204, 204, 401, 'token.revoked']);
});

test('people see and revoke their own tokens; of others they learn nothing', async () => {
  await declare('ben');
  const [ann, ben] = [(await create('ann')).json, (await create('ben')).json];

  const list = await ask(app, 'GET /api/v1/tokens', { token: ben.token });
  const asked = await ask(app, 'GET /api/v1/tokens?principal=ann', { token: ben.token });
  const foreign = await ask(app, `DELETE /api/v1/tokens/${ann.id}`, { token: ben.token });
  const unknown = await ask(app, 'DELETE /api/v1/tokens/tok_none', { token: ben.token });
  const own = await ask(app, `DELETE /api/v1/tokens/${ben.id}`, { token: ben.token });

  expect(new Set(list.json.items.map((token: { principal: string }) => token.principal))).toEqual(new Set(['ben']));
  expect([asked.status, asked.json.code]).toEqual([403, 'permission.missing']);
  expect([foreign.status, foreign.json.code, unknown.status, unknown.json.code]).toEqual([404, 'token.not-found', 404, 'token.not-found']);
  expect(own.status).toBe(204);
});

test('only an administrator makes tokens, and only for somebody who is declared', async () => {
  const { json } = await create('ann');

  const self = await ask(app, 'POST /api/v1/tokens', { token: json.token, body: { principal: 'ann', description: 'another' } });
  const nobody = await create('nobody');
  const forEver = await create('ann', { expiresInDays: 100_000 });

  expect([self.status, self.json.code]).toEqual([403, 'permission.missing']);
  expect([nobody.status, nobody.json.code, forEver.status]).toEqual([422, 'principal.unknown', 400]);
});

test('a token whose principal is gone is refused with 401', async () => {
  await declare('leaver');
  const { json } = await create('leaver');

  const gone = await ask(app, 'DELETE /api/v1/resources/Principal/leaver', { token: administrator, headers: { 'if-match': '*' } });

  expect([gone.status, (await ask(app, 'GET /api/v1/me', { token: json.token })).json.code]).toEqual([204, 'token.orphaned']);
});

test.each([
  ['none', undefined, 'token.missing'],
  ['an empty one', '', 'token.malformed'],
  ['one with a quote', "tg_' or true --", 'token.malformed'],
  ['one nobody made', `tg_${'A'.repeat(43)}`, 'token.unknown'],
  ['one of another form', 'ghp_abcdef', 'token.unknown'],
  ['a very long one', 'x'.repeat(5_000), 'token.malformed'],
])('a request with %s is refused with 401', async (_what, token, code) => {
  const answer = await ask(app, 'GET /api/v1/me', token === undefined ? {} : { token });

  expect([answer.status, answer.json.code]).toEqual([401, code]);
});

test('a change of roles counts from the next request on', async () => {
  const token = await tokenWith(database.db, 'cas', ['resource.read'], { at: clock.now() });
  const before = await ask(app, 'GET /api/v1/resources', { token });

  await ask(app, 'DELETE /api/v1/resources/Role/role-of-cas', { token: administrator, headers: { 'if-match': '*' } });

  expect([before.status, (await ask(app, 'GET /api/v1/resources', { token })).status]).toEqual([200, 403]);
});

test('the last use of a token is noted, five minutes coarse', async () => {
  const { json } = await create('ann');
  const lastUse = async () => {
    const { json: page } = await ask(app, 'GET /api/v1/tokens?limit=200', { token: administrator });
    return page.items.find((token: { id: string }) => token.id === json.id).lastUsedAt;
  };
  const start = clock.now().getTime();

  await ask(app, 'GET /api/v1/me', { token: json.token });
  clock.advance(299_999);
  await ask(app, 'GET /api/v1/me', { token: json.token });
  const coarse = await lastUse();
  clock.advance(1);
  await ask(app, 'GET /api/v1/me', { token: json.token });

  expect([coarse, await lastUse()]).toEqual([new Date(start).toISOString(), new Date(start + 300_000).toISOString()]);
});

test('alive and ready need no token', async () => {
  expect([(await ask(app, 'GET /healthz')).status, (await ask(app, 'GET /readyz')).status]).toEqual([200, 200]);
});
