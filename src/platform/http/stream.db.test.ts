import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { testDatabase } from '../../../test/support/database.ts';
import type { TestDatabase } from '../../../test/support/database.ts';
import { ask, testHttp, tokenWith } from '../../../test/support/http.ts';
import { systemClock } from '../clock.ts';
import { eventRoutes, mountRoutes } from './index.ts';
import type { Subscribe } from './index.ts';

let database: TestDatabase;
let app: FastifyInstance;
let token: string;
const seen: { subject?: string | undefined; afterId?: number | undefined; ended: boolean; given: number }[] = [];

/** Endless: counts up from `afterId`; waits when the subject asks it to. */
const subscribe: Subscribe = async function* ({ subject, afterId = 0, signal }) {
  const one = { subject, afterId, ended: false, given: 0 };
  seen.push(one);
  try {
    for (let id = afterId + 1; !signal.aborted; id += 1) {
      if (subject === 'release/silent' || (subject === 'release/two' && id > afterId + 2)) await aborted(signal);
      if (signal.aborted) return;
      if (subject === 'release/broken' && id > 1) throw new Error('database away');
      one.given += 1;
      yield { id, type: 'dev.tidegate.toy', text: subject === 'release/flood' ? 'x'.repeat(10_000) : 'line\nbreak' };
    }
  } finally {
    one.ended = true;
  }
};

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
}

beforeAll(async () => {
  database = await testDatabase();
  app = await testHttp({ db: database.db, settings: { heartbeatMs: 20, streamsPerPrincipal: 2, logLevel: 'silent' } });
  mountRoutes(app, { db: database.db, clock: systemClock }, eventRoutes({ subscribe }));
  token = await tokenWith(database.db, 'ann', ['event.read']);
  await app.listen({ port: 0, host: '127.0.0.1' });
});

afterAll(async () => {
  await app.close();
  await database.close();
});

async function open(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const { port } = app.server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, headers: { authorization: `Bearer ${token}`, ...headers }, agent: false }, resolve).on(
      'error',
      reject,
    );
  });
}

async function readUntil(stream: IncomingMessage, pattern: RegExp): Promise<string> {
  let text = '';
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (pattern.test(text)) return text;
  }
  return text;
}

test('events arrive with their id, on one line each, and the stream says it must not be kept', async () => {
  const stream = await open('/api/v1/events?subject=release/two');

  const text = await readUntil(stream, /id: 2\n.*\n.*\n\n/);
  stream.destroy();

  expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect(stream.headers['cache-control']).toBe('no-store');
  expect(text).toContain('id: 1\nevent: dev.tidegate.toy\ndata: {"id":1,"type":"dev.tidegate.toy","text":"line\\nbreak"}\n\n');
});

test('a reader that comes back goes on after the last event it saw', async () => {
  const stream = await open('/api/v1/events?subject=release/two', { 'last-event-id': '41' });

  expect(await readUntil(stream, /id: 42/)).not.toContain('id: 41');
  stream.destroy();
});

test('a silent stream is kept alive by comments', async () => {
  const stream = await open('/api/v1/events?subject=release/silent');

  expect(await readUntil(stream, /(: \n\n){3}/)).toMatch(/^: open\n\nretry: 2000/);
  stream.destroy();
});

test('a reader that goes away ends the subscription', async () => {
  const stream = await open('/api/v1/events?subject=release/silent');
  await readUntil(stream, /open/);
  const mine = seen.at(-1);

  stream.destroy();

  await vi.waitFor(() => expect(mine?.ended).toBe(true));
  await vi.waitFor(() => expect(app.openStreams.size).toBe(0));
});

test('a reader that takes nothing is waited for, not buffered for', async () => {
  const stream = await open('/api/v1/events?subject=release/flood');
  stream.pause();
  const mine = seen.at(-1);
  let before = -1;
  await vi.waitFor(
    () => {
      const now = mine?.given ?? 0;
      const settled = now === before && now > 0;
      before = now;
      expect(settled).toBe(true);
    },
    { interval: 100, timeout: 10_000 },
  );

  // 10 kB each: what fits into two socket buffers and the stream's own, not an endless flood.
  expect(mine?.given).toBeLessThan(2_000);
  stream.destroy();
  await vi.waitFor(() => expect(mine?.ended).toBe(true));
});

test('a subscription that fails ends the stream after what it gave, so that the reader comes back', async () => {
  const stream = await open('/api/v1/events?subject=release/broken');

  expect(await readUntil(stream, /never/)).toContain('id: 1\n');
  expect(stream.complete).toBe(true);
});

test('a principal has only so many streams open', async () => {
  const streams = [await open('/api/v1/events?subject=release/silent'), await open('/api/v1/events?subject=release/silent')];

  const third = await open('/api/v1/events');

  expect(third.statusCode).toBe(429);
  for (const stream of [...streams, third]) stream.destroy();
  await vi.waitFor(() => expect(app.openStreams.size).toBe(0));
});

test('a revoked token ends its streams with the next heartbeat', async () => {
  const own = await tokenWith(database.db, 'leaver', ['event.read']);
  const stream = await open('/api/v1/events?subject=release/silent', { authorization: `Bearer ${own}` });
  await readUntil(stream, /open/);
  const ended = new Promise((resolve) => stream.on('close', resolve));
  stream.resume();

  await database.db
    .withTables<{ token: { principal: string; revoked_at: Date | null } }>()
    .updateTable('token')
    .set({ revoked_at: new Date() })
    .where('principal', '=', 'leaver')
    .execute();

  await ended;
  expect(seen.at(-1)?.ended).toBe(true);
});

test.each([
  ['a broken Last-Event-ID', '/api/v1/events', { 'last-event-id': '-1' }, 'stream.last-event-id'],
  ['a broken subject', '/api/v1/events?subject=release', {}, 'request.invalid'],
])('%s is refused with 400 before the stream opens', async (_what, path, headers, code) => {
  const answer = await ask(app, `GET ${path}`, { token, headers });

  expect([answer.status, answer.json.code]).toEqual([400, code]);
});

test('the server stops although streams are open', async () => {
  const stream = await open('/api/v1/events?subject=release/silent');
  stream.on('error', () => {});
  stream.resume();

  await app.close();

  expect(seen.every(({ ended }) => ended)).toBe(true);
});
