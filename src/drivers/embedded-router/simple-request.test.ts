import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseSimpleRequest } from './simple-request.ts';

const request = (...headers: readonly string[]): string =>
  `GET /items?q=1 HTTP/1.1\r\nHost: shop.example\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;

test('a plain GET is read: who asks, for which host, what is passed on', () => {
  expect(
    parseSimpleRequest(request('X-User-Id: ada', 'Cookie: tg_user=1; b=2', 'Connection: Keep-Alive', 'Accept: */*'), 'x-user-id'),
  ).toEqual({
    isHead: false,
    requestLine: 'GET /items?q=1 HTTP/1.1\r\n',
    lines: 'Host: shop.example\r\nX-User-Id: ada\r\nCookie: tg_user=1; b=2\r\nAccept: */*\r\n',
    host: 'shop.example',
    user: 'ada',
    cookies: 'tg_user=1; b=2',
  });
});

test.each([
  ['POST', request().replace('GET', 'POST')],
  ['HTTP/1.0', request().replace('1.1', '1.0')],
  ['a whole URL as target', request().replace('/items', 'http://other/items')],
  ['no host', 'GET / HTTP/1.1\r\nA: b\r\n\r\n'],
  ['two hosts', request('Host: other')],
  ['a length', request('Content-Length: 0')],
  ['an encoding', request('Transfer-Encoding: chunked')],
  ['an upgrade', request('Upgrade: websocket')],
  ['an expectation', request('Expect: 100-continue')],
  ['a connection option', request('Connection: keep-alive, x-private')],
  ['close', request('Connection: close')],
  ['a forwarded address', request('X-Forwarded-For: 1.2.3.4')],
  ['two users', request('X-User-Id: a', 'x-user-id: b')],
  ['two cookies', request('Cookie: a=1', 'Cookie: b=2')],
  ['a folded line', request('A: b', ' c')],
  ['a bare line feed', request('A: b\nContent-Length: 5')],
  ['a bare carriage return', request('A: b\rContent-Length: 5')],
  ['a space before the colon', request('Content-Length : 5')],
  ['a NUL', request('A: b\0c')],
  ['a head that is not whole', request().slice(0, -2)],
  ['a second request behind it', request() + request()],
  ['a body behind it', `${request()}x`],
  ['a line feed in the target', request().replace('/items', '/it\nems')],
])('a request with %s is left to Node', (_what, text) => {
  expect(parseSimpleRequest(text, 'x-user-id')).toBeUndefined();
});

let answer: (request: IncomingMessage | undefined) => void = () => undefined;
const server = createServer((incoming, response) => {
  answer(incoming);
  response.end();
});
server.on('clientError', (_error, socket) => {
  answer(undefined);
  socket.destroy();
});
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
afterAll(() => void server.close());

/** How Node's own server reads the same bytes. */
async function readByNode(text: string): Promise<IncomingMessage | undefined> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  try {
    return await new Promise((resolve) => {
      answer = resolve;
      socket.end(text, 'latin1');
    });
  } finally {
    socket.destroy();
  }
}

test('whatever is read here, Node reads as the same request', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '\r\n',
      '\r',
      '\n',
      ' ',
      '\t',
      ':',
      ',',
      '\0',
      '\x7f',
      'é',
      '%0d%0a',
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      'Host: b',
      'Connection: close',
      'keep-alive',
    ),
    fc.string({ unit: 'binary-ascii', maxLength: 6 }),
  );
  const line = fc
    .tuple(fc.constantFrom('X-User-Id', 'Cookie', 'Accept', 'Connection', 'X'), fc.array(piece, { maxLength: 3 }))
    .map(([name, value]) => `${name}: ${value.join('')}`);
  const target = fc.array(piece, { maxLength: 2 }).map((parts) => `/${parts.join('')}`);
  await fc.assert(
    fc.asyncProperty(target, fc.array(line, { maxLength: 4 }), async (path, lines) => {
      const text = request(...lines).replace('/items?q=1', () => path);
      const mine = parseSimpleRequest(text, 'x-user-id');
      if (!mine) return;
      const nodes = await readByNode(text);
      expect(nodes).toBeDefined();
      expect({ user: mine.user, cookies: mine.cookies, host: mine.host, line: mine.requestLine }).toEqual({
        user: nodes?.headers['x-user-id'],
        cookies: nodes?.headers.cookie,
        host: nodes?.headers.host,
        line: `GET ${nodes?.url} HTTP/1.1\r\n`,
      });
      expect(nodes?.headers['content-length'] ?? nodes?.headers['transfer-encoding']).toBeUndefined();
    }),
    { numRuns: 1_500 },
  );
});
