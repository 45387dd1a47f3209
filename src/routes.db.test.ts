import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase } from '../test/support/database.ts';
import type { TestDatabase } from '../test/support/database.ts';
import { ask, testHttp, tokenWith } from '../test/support/http.ts';
import { toyKinds } from '../test/support/toy-kinds.ts';
import { systemClock } from './platform/clock.ts';
import type { ListedRoute, Subscribe } from './platform/http/index.ts';
import { permissions } from './platform/identity/index.ts';
import type { Permission } from './platform/identity/index.ts';
import { registerRoutes } from './routes.ts';
import type { RouteDeps } from './routes.ts';

/**
 * Walks every route there is, so a new one is covered by being mounted. Refusals come before a handler runs, which is why
 * the parts that only handlers need are left out here.
 */
let database: TestDatabase;
let app: FastifyInstance;
let routes: readonly ListedRoute[];
const nothingHappens: Subscribe = async function* () {};

beforeAll(async () => {
  database = await testDatabase();
  app = await testHttp({ db: database.db, settings: { logLevel: 'silent', refusalsPerMinute: 100_000 } });
  registerRoutes(app, {
    db: database.db,
    clock: systemClock,
    kinds: toyKinds,
    subscribe: nothingHappens,
  } as Partial<RouteDeps> as RouteDeps);
  await app.ready();
  routes = app.listRoutes();
});

afterAll(async () => {
  await app.close();
  await database.close();
});

/** Served to anybody. A route that joins this list is a decision for a reviewer, not an accident. */
const open = [
  'GET /',
  'GET /api/v1/openapi.json',
  'GET /api/v1/schemas',
  'GET /api/v1/schemas/:kind',
  'GET /healthz',
  'GET /icon.svg',
  'GET /readyz',
  'GET /status.css',
  'GET /status.js',
];

function closedRoutes(): readonly ListedRoute[] {
  return routes.filter(({ access }) => access !== 'public');
}

function targetOf({ method, url }: ListedRoute): string {
  return `${method} ${url.replaceAll(/:[A-Za-z]+/g, 'x')}`;
}

async function statusesOf(asked: readonly ListedRoute[], token?: string): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const route of asked) {
    const answer = await ask(app, targetOf(route), token === undefined ? {} : { token });
    found[`${route.method} ${route.url}`] = `${answer.status} ${answer.json?.code ?? ''}`;
  }
  return found;
}

function all(asked: readonly ListedRoute[], outcome: string): Readonly<Record<string, string>> {
  return Object.fromEntries(asked.map(({ method, url }) => [`${method} ${url}`, outcome]));
}

test('only these routes are open to anybody', () => {
  expect(routes.length).toBeGreaterThan(15);
  expect(
    routes
      .filter(({ access }) => access === 'public')
      .map(({ method, url }) => `${method} ${url}`)
      .toSorted(),
  ).toEqual(open);
});

test('without a token every other route answers 401', async () => {
  expect(await statusesOf(closedRoutes())).toEqual(all(closedRoutes(), '401 token.missing'));
});

test('with a token nobody made every other route answers 401', async () => {
  expect(await statusesOf(closedRoutes(), `tg_${'A'.repeat(43)}`)).toEqual(all(closedRoutes(), '401 token.unknown'));
});

test('with an expired token every other route answers 401, whatever it was good for', async () => {
  const at = new Date(Date.now() - 7_200_000);
  const token = await tokenWith(database.db, 'late', permissions, { at, expiresAt: new Date(Date.now() - 1) });

  expect(await statusesOf(closedRoutes(), token)).toEqual(all(closedRoutes(), '401 token.expired'));
});

test('with a revoked token every other route answers 401, whatever it was good for', async () => {
  const token = await tokenWith(database.db, 'revoked', permissions);
  await database.db
    .withTables<{ token: { principal: string; revoked_at: Date | null } }>()
    .updateTable('token')
    .set({ revoked_at: new Date() })
    .where('principal', '=', 'revoked')
    .execute();

  expect(await statusesOf(closedRoutes(), token)).toEqual(all(closedRoutes(), '401 token.revoked'));
});

test('with every permission but the one it asks for, a route answers 403', async () => {
  for (const permission of permissions) {
    const asking = closedRoutes().filter(({ access }) => access === permission);
    if (asking.length === 0) continue;
    const token = await tokenWith(
      database.db,
      `not-${permission}`,
      permissions.filter((other) => other !== permission),
    );

    expect(await statusesOf(asking, token)).toEqual(all(asking, '403 permission.missing'));
  }
});

test('with the one permission it asks for, a route is open', async () => {
  const reads = closedRoutes().filter(({ method, access }) => method === 'GET' && access !== 'authenticated');
  for (const route of reads) {
    const token = await tokenWith(database.db, `only-${route.access}`, [route.access as Permission]);
    const { status } = await ask(app, targetOf(route), { token });

    expect([route.url, status === 401 || status === 403]).toEqual([route.url, false]);
  }
});

test('no route answers a write without its permission in another case, with a trailing slash or a doubled one', async () => {
  const token = await tokenWith(database.db, 'nobody-special', []);
  const writes = closedRoutes().filter(({ method, access }) => method !== 'GET' && access !== 'authenticated');
  for (const route of writes) {
    const { method, url } = route;
    const path = url.replaceAll(/:[A-Za-z]+/g, 'x');
    for (const variant of [`${path}/`, `/${path}`, path.toUpperCase(), path.replace('/v1/', '/v1/./'), `${path}%2f`, `${path};a=b`]) {
      const { status } = await ask(app, `${method} ${variant}`, { token });
      expect([variant, [400, 401, 403, 404, 405].includes(status)]).toEqual([variant, true]);
    }
  }
});
