import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { NoAnswerError, RefusedError, createClient, unwrap, watchEvents } from './client.ts';
import type { WatchedEvent } from './client.ts';

type Turn = (request: IncomingMessage, response: ServerResponse, body: string) => void;

let running: Server | undefined;
afterEach(async () => {
  running?.closeAllConnections();
  await new Promise((resolve) => (running ? running.close(resolve) : resolve(undefined)));
  running = undefined;
});

/** A server that answers its turns one after the other, the last one for ever. */
async function serve(...turns: readonly Turn[]): Promise<{ readonly url: string; readonly seen: (IncomingMessage & { body?: string })[] }> {
  const seen: (IncomingMessage & { body?: string })[] = [];
  running = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      seen.push(Object.assign(request, { body }));
      turns[Math.min(seen.length, turns.length) - 1]?.(request, response, body);
    });
  });
  await new Promise<void>((resolve) => running?.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(running.address() as AddressInfo).port}`, seen };
}

function answer(status: number, body: unknown, headers: Record<string, string> = {}): Turn {
  return (_request, response) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const busy = answer(503, { code: 'server.busy', detail: 'busy', status: 503, title: '', type: '', instance: '' }, { 'retry-after': '0' });
const cut: Turn = (request) => request.socket.destroy();
const me = { name: 'ann', kind: 'person', emails: [], roles: [], permissions: [] };
const apply = { body: { files: [{ name: 'f', text: 'x' }] } };

test('an answer comes typed, the token goes along', async () => {
  const { url, seen } = await serve(answer(200, me));

  const found = await unwrap(createClient({ server: `${url}/`, token: 'tg_x' }).GET('/api/v1/me'));

  expect(found.name).toBe('ann');
  expect(seen[0]?.headers.authorization).toBe('Bearer tg_x');
});

test('a refusal is an error that carries everything the server said', async () => {
  const problem = {
    type: '/problems/freeze.active',
    title: '',
    status: 423,
    code: 'freeze.active',
    detail: 'frozen',
    instance: 'i',
    nextOpening: 'tomorrow',
  };
  const { url } = await serve(answer(423, problem));

  const refused = await unwrap(createClient({ server: url }).GET('/api/v1/me')).catch((error: unknown) => error);

  expect(refused).toBeInstanceOf(RefusedError);
  expect(refused).toMatchObject({ status: 423, code: 'freeze.active', message: 'frozen', problem: { nextOpening: 'tomorrow' } });
});

test('what is no answer of Tidegate is said to be none', async () => {
  const { url } = await serve((_request, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>nginx</h1>'));

  await expect(unwrap(createClient({ server: url }).GET('/api/v1/me'))).rejects.toMatchObject({ code: 'answer.foreign', status: 404 });
});

test('a read is repeated when the server is busy or the connection breaks', async () => {
  const { url, seen } = await serve(busy, cut, answer(200, me));

  await unwrap(createClient({ server: url }).GET('/api/v1/me'));

  expect(seen).toHaveLength(3);
});

test('a post is repeated with the same key and body, so that it is done once', async () => {
  const { url, seen } = await serve(cut, busy, answer(200, { digest: 'd', changes: [] }));

  await unwrap(createClient({ server: url }).POST('/api/v1/resources', apply));

  const keys = new Set(seen.map(({ headers }) => headers['idempotency-key']));
  expect([seen.length, keys.size]).toEqual([3, 1]);
  expect(new Set(seen.map(({ body }) => body))).toEqual(new Set([JSON.stringify(apply.body)]));
});

test('two posts have two keys', async () => {
  const { url, seen } = await serve(answer(200, { digest: 'd', changes: [] }));
  const client = createClient({ server: url });

  await client.POST('/api/v1/resources', apply);
  await client.POST('/api/v1/resources', apply);

  expect(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
});

test('a deletion is not repeated when the connection breaks: it may have been done', async () => {
  const { url, seen } = await serve(cut);

  const deletion = createClient({ server: url }).DELETE('/api/v1/tokens/{token}', { params: { path: { token: 't' } } });

  await expect(deletion).rejects.toBeInstanceOf(NoAnswerError);
  expect(seen).toHaveLength(1);
});

test('a refusal that will stay one is not repeated', async () => {
  const { url, seen } = await serve(answer(409, {}));

  await createClient({ server: url }).POST('/api/v1/resources', apply);

  expect(seen).toHaveLength(1);
});

test('a server that never answers is given up with its address', async () => {
  const { url } = await serve(() => {});

  const asked = createClient({ server: url, timeoutMs: 50, retries: 0 }).GET('/api/v1/me');

  await expect(asked).rejects.toThrow(new RegExp(`expected an answer from ${url}`));
});

test('who asked may stop waiting', async () => {
  const stop = new AbortController();
  const { url } = await serve(() => stop.abort());

  await expect(createClient({ server: url }).GET('/api/v1/me', { signal: stop.signal })).rejects.toThrow(/abort/i);
});

function streamed(...blocks: readonly string[]): Turn {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const block of blocks) response.write(block);
    response.end();
  };
}

function event(id: number): string {
  return `id: ${id}\nevent: toy\ndata: {"id":"uuid-${id}","type":"toy"}\n\n`;
}

test('a stream that breaks goes on after the last event seen, and ends when asked to', async () => {
  const { url, seen } = await serve(
    streamed(': open\n\n', event(1), event(2).slice(0, 12), event(2).slice(12)),
    cut,
    streamed(': \n\n', event(3)),
  );
  const stop = new AbortController();
  const found: number[] = [];

  for await (const { position, event: cloudEvent } of watchEvents({
    server: url,
    subject: 'release/a',
    signal: stop.signal,
    pauseMs: 1,
  }) as AsyncIterable<WatchedEvent>) {
    expect(cloudEvent.id).toBe(`uuid-${position}`);
    found.push(position);
    if (position === 3) stop.abort();
  }

  expect(found).toEqual([1, 2, 3]);
  expect(seen.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '2', '2']);
  expect(seen[0]?.url).toBe('/api/v1/events?subject=release%2Fa');
});

test('a stream that is refused ends with the reason; a server that stays away is given up', async () => {
  const refusing = await serve(answer(403, { code: 'permission.missing', detail: 'no', status: 403, title: '', type: '', instance: '' }));
  await expect(watchEvents({ server: refusing.url, pauseMs: 1 }).next()).rejects.toMatchObject({ code: 'permission.missing' });
  running?.closeAllConnections();
  await new Promise((resolve) => running?.close(resolve));
  running = undefined;

  await expect(watchEvents({ server: refusing.url, pauseMs: 1, patienceMs: 20 }).next()).rejects.toBeInstanceOf(NoAnswerError);
});
