import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { ask, testHttp, tokenWith } from '../../../test/support/http.ts';
import { testDatabase } from '../../../test/support/database.ts';
import type { TestDatabase } from '../../../test/support/database.ts';
import { systemClock } from '../clock.ts';
import { mountRoutes, pageOf, pageQuery, read, requireVersion, write } from './index.ts';

let database: TestDatabase;
let app: FastifyInstance;
let token: string;
const logged: string[] = [];

beforeAll(async () => {
  database = await testDatabase();
  app = await testHttp({
    db: database.db,
    logStream: { write: (line) => logged.push(line) },
    settings: { logLevel: 'info', handlerTimeoutMs: 5_000 },
  });
  mountRoutes(app, { db: database.db, clock: systemClock, checkAnswers: true }, toyRoutes);
  token = await tokenWith(database.db, 'ann', ['release.create', 'release.read']);
});

afterAll(async () => {
  await app.close();
  await database.close();
});

const toyRoutes = [
  write({
    method: 'POST',
    path: '/api/v1/toys',
    operation: 'makeToy',
    access: 'release.create',
    summary: 'Makes a toy',
    body: z.strictObject({ name: z.string().max(20), fail: z.boolean().optional() }),
    result: z.object({ name: z.string() }),
    status: 201,
    handle: async ({ body }) => ({ body: { name: body.name } }),
  }),
  write({
    method: 'PUT',
    path: '/api/v1/toys/:toy',
    operation: 'replaceToy',
    access: 'release.create',
    summary: 'Replaces a toy',
    params: z.object({ toy: z.string() }),
    body: z.strictObject({ name: z.string() }),
    ifMatch: 'required',
    handle: async ({ ifMatch }) => {
      requireVersion(ifMatch, 7);
      return { body: undefined };
    },
  }),
  read({
    path: '/api/v1/toys',
    operation: 'listToys',
    access: 'release.read',
    summary: 'Lists toys',
    query: z.strictObject({ ...pageQuery }),
    result: pageOf(z.object({ name: z.string() })),
    handle: async (_call) => ({ body: { items: [{ name: 'a' }] }, version: 'v1' }),
  }),
  read({
    path: '/api/v1/leaky',
    operation: 'leak',
    access: 'public',
    summary: 'Leaks',
    result: z.object({ a: z.string() }),
    handle: async (_call) => ({ body: Object.assign({ a: 'x' }, { hash: 'y' }) }),
  }),
];

test('a route that does not say who may call it does not start', () => {
  expect(() => app.get('/api/v1/forgotten', async () => 'x')).toThrow(/who may call it/);
  expect(() => app.get('/api/v1/misspelt', { config: { permission: 'release.raed' as never } }, async () => 'x')).toThrow(
    /who may call it/,
  );
});

test('a body whose schema drops unknown fields does not start', () => {
  const loose = read({
    method: 'POST',
    path: '/api/v1/loose',
    operation: 'loose',
    access: 'public',
    summary: '',
    body: z.object({ a: z.string() }),
    handle: async (_call) => ({ body: undefined }),
  });

  expect(() => mountRoutes(app, { db: database.db, clock: systemClock }, [loose])).toThrow(/strictObject/);
});

test('an answer with a member its schema does not name is caught in tests', async () => {
  const answer = await ask(app, 'GET /api/v1/leaky');

  expect(answer.status).toBe(500);
  expect(answer.json.code).toBe('internal');
});

test('a write that needs If-Match is refused with 428 without it, with 412 on another version, and done on the current one', async () => {
  const put = (headers: Record<string, string>) => ask(app, 'PUT /api/v1/toys/a', { token, body: { name: 'b' }, headers });

  const answers = [await put({}), await put({ 'if-match': '"6"' }), await put({ 'if-match': '"7"' }), await put({ 'if-match': '7' })];

  expect(answers.map((answer) => [answer.status, answer.json?.code])).toEqual([
    [428, 'version.required'],
    [412, 'version.stale'],
    [204, undefined],
    [400, 'version.malformed'],
  ]);
  expect(answers[1]?.json.currentVersion).toBe(7);
});

test('a reader that has the current version is answered 304', async () => {
  const answer = await ask(app, 'GET /api/v1/toys', { token, headers: { 'if-none-match': '"v1"' } });

  expect([answer.status, answer.text]).toEqual([304, '']);
});

test('every fault of path, query and body is named at once', async () => {
  const answer = await ask(app, 'POST /api/v1/toys?x=1', { token, body: { nam: 'a', fail: 'yes' } });

  expect(answer.status).toBe(400);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(answer.json).toMatchObject({
    type: '/problems/request.invalid',
    code: 'request.invalid',
    status: 400,
    instance: answer.headers['x-request-id'],
  });
  expect(answer.json.faults.map((fault: { pointer?: string; detail: string }) => fault.pointer ?? fault.detail)).toEqual([
    'query parameter x: unknown field "x"',
    '/name',
    '/fail',
    '/nam',
  ]);
});

test.each([
  ['an unknown address', 'GET /api/v1/nothing', {}, [404, 'route.unknown']],
  ['a wrong method', 'DELETE /api/v1/toys', {}, [405, 'route.method']],
  [
    'a body over a megabyte',
    'POST /api/v1/toys',
    { body: JSON.stringify({ name: 'x'.repeat(1024 * 1024) }), headers: { 'content-type': 'application/json' } },
    [413, 'body.too-large'],
  ],
  ['another media type', 'POST /api/v1/toys', { body: '<a/>', headers: { 'content-type': 'application/xml' } }, [415, 'body.media-type']],
  [
    'YAML where JSON belongs',
    'POST /api/v1/toys',
    { body: 'name: x', headers: { 'content-type': 'application/yaml' } },
    [415, 'body.media-type'],
  ],
  ['broken JSON', 'POST /api/v1/toys', { body: '{"name":', headers: { 'content-type': 'application/json' } }, [400, 'body.malformed']],
  [
    'a JSON bomb',
    'POST /api/v1/toys',
    { body: '['.repeat(500_000), headers: { 'content-type': 'application/json' } },
    [400, 'body.too-deep'],
  ],
  ['no body', 'POST /api/v1/toys', {}, [400, 'request.invalid']],
  ['a broken cursor', 'GET /api/v1/toys?limit=1000', {}, [400, 'request.invalid']],
  ['an address that cannot be decoded', 'GET /api/v1/%ff', {}, [400, 'url.malformed']],
  ['a path part without end', `GET /api/v1/toys/${'x'.repeat(400)}`, {}, [404, 'route.unknown']],
] as const)('%s is refused with problem+json', async (_what, target, asked, [status, code]) => {
  const answer = await ask(app, target, { token, ...asked });

  expect([answer.status, answer.json.code]).toEqual([status, code]);
  expect(answer.headers['content-type']).toContain('application/problem+json');
});

test('a wrong method names the right ones', async () => {
  expect((await ask(app, 'DELETE /api/v1/toys', { token })).headers['allow']).toBe('POST, GET');
});

test('headers beyond the limit and things that are not HTTP are refused on the bare socket', async () => {
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const send = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      let answer = '';
      socket.on('data', (data) => (answer += data.toString()));
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });

  const large = await send(`GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`);
  const junk = await send('\x16\x03\x01 hello\r\n\r\n');

  expect(large).toMatch(/^HTTP\/1\.1 431 [^]*application\/problem\+json[^]*request\.headers-too-large/);
  expect(junk).toMatch(/^HTTP\/1\.1 400 [^]*application\/problem\+json[^]*request\.malformed/);
});

test('answers carry a strict content security policy and no trace of the framework', async () => {
  const { headers } = await ask(app, 'GET /api/v1/toys', { token });

  expect(headers['content-security-policy']).toContain("default-src 'none'");
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(headers['x-powered-by']).toBeUndefined();
});

test('the log has a line for each request and no token in any', async () => {
  await ask(app, 'GET /api/v1/toys', { token });

  const line = logged.findLast((text) => text.includes('"route":"/api/v1/toys"'));
  expect(JSON.parse(line ?? '{}')).toMatchObject({ method: 'GET', status: 200, principal: 'ann' });
  expect(logged.join('')).not.toContain(token);
});

test('more requests than the limit are refused with 429 and told when to come back', async () => {
  const small = await testHttp({ db: database.db, settings: { requestsPerMinute: 3, refusalsPerMinute: 2 } });
  mountRoutes(small, { db: database.db, clock: systemClock }, toyRoutes.slice(2, 3));
  try {
    const statuses: number[] = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await ask(small, 'GET /api/v1/toys', { token })).status);
    const last = await ask(small, 'GET /api/v1/toys', { token });
    const refused: number[] = [];
    for (let i = 0; i < 4; i += 1) refused.push((await ask(small, 'GET /api/v1/toys', { token: `tg_${'x'.repeat(43)}` })).status);

    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    expect(last.json).toMatchObject({ code: 'request.too-many', status: 429 });
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused).toEqual([401, 401, 429, 429]);
  } finally {
    await small.close();
  }
});
