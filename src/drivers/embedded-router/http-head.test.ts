import { expect, test } from 'vitest';
import { parseResponseHead } from './http-head.ts';

const head = (...lines: readonly string[]): string => ['HTTP/1.1 200 OK', ...lines].join('\r\n');

test('a response with a length', () => {
  expect(
    parseResponseHead(head('Content-Length: 5', 'Date: now', 'Connection: keep-alive', 'Keep-Alive: timeout=5, max=100'), false),
  ).toEqual({
    status: 200,
    reason: 'OK',
    lines: 'Content-Length: 5\r\nDate: now\r\n',
    hasDate: true,
    framing: { kind: 'length', length: 5 },
    keepAlive: true,
    keepAliveSeconds: 5,
  });
});

test.each<[string, string, boolean, unknown]>([
  ['chunks', head('Transfer-Encoding: chunked'), false, { kind: 'chunked' }],
  ['neither: until the end of the connection', head(), false, { kind: 'close' }],
  ['HEAD: nothing, whatever its length says', head('Content-Length: 5'), true, { kind: 'length', length: 0 }],
  ['204: nothing', head('A: b').replace('200', '204'), false, { kind: 'length', length: 0 }],
  ['304: nothing', head('Content-Length: 5').replace('200', '304'), false, { kind: 'length', length: 0 }],
])('the body has %s', (_what, text, isHead, framing) => {
  expect(parseResponseHead(text, isHead)?.framing).toEqual(framing);
});

test.each([
  ['HTTP/1.1 without a word is kept', head('Content-Length: 0'), true],
  ['close is not kept', head('Content-Length: 0', 'Connection: Close'), false],
  ['HTTP/1.0 is not kept', head('Content-Length: 0').replace('1.1', '1.0'), false],
  ['HTTP/1.0 with keep-alive is kept', head('Content-Length: 0', 'Connection: keep-alive').replace('1.1', '1.0'), true],
  ['a body until the end is not kept', head('Connection: keep-alive'), false],
])('a connection: %s', (_what, text, keepAlive) => {
  expect(parseResponseHead(text, false)?.keepAlive).toBe(keepAlive);
});

test('hop-by-hop headers, those the connection names, and a forged version are not passed on', () => {
  const text = head(
    'A: 1',
    'Connection: x-hop',
    'X-Hop: 2',
    'Upgrade: h2c',
    'Trailer: x',
    'X-Tidegate-Version: forged',
    'Content-Length: 0',
  );
  expect(parseResponseHead(text, false)?.lines).toBe('A: 1\r\nContent-Length: 0\r\n');
});

test('a connection cannot name the length away', () => {
  expect(parseResponseHead(head('Content-Length: 3', 'Connection: content-length'), false)?.lines).toBe('Content-Length: 3\r\n');
});

test.each([
  ['two lengths', head('Content-Length: 1', 'Content-Length: 1')],
  ['a length and an encoding', head('Content-Length: 1', 'Transfer-Encoding: chunked')],
  ['an encoding other than chunked', head('Transfer-Encoding: gzip, chunked')],
  ['a length that is no number', head('Content-Length: 1, 1')],
  ['a negative length', head('Content-Length: -1')],
  ['a length beyond exact numbers', head('Content-Length: 9999999999999999')],
  ['a folded line', head('A: b', ' c')],
  ['a bare line feed', head('A: b\nContent-Length: 1')],
  ['a space before the colon', head('Content-Length : 1')],
  ['an empty name', head(': 1')],
  ['another protocol', 'ICY 200 OK'],
  ['a status of two digits', 'HTTP/1.1 20 OK'],
  ['HTTP/2', 'HTTP/2.0 200 OK'],
])('a head with %s is not read', (_what, text) => {
  expect(parseResponseHead(text, false)).toBeUndefined();
});
