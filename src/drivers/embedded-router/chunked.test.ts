import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChunkedBody } from './chunked.ts';

/** Feeds the bytes in pieces; answers with the data, the state and what was left over. */
function readAll(wire: Buffer, pieces: readonly number[] = [wire.length]) {
  const body = new ChunkedBody();
  const data: Buffer[] = [];
  let at = 0;
  let used = 0;
  for (const length of [...pieces, wire.length]) {
    const piece = wire.subarray(at, at + length);
    used += body.read(piece, (part) => data.push(Buffer.from(part)));
    at += piece.length;
  }
  return { text: Buffer.concat(data).toString('latin1'), done: body.isDone, broken: body.isBroken, left: wire.length - used };
}

test('whatever the chunk sizes and however the bytes arrive, the data comes out whole', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 9 })),
      (chunks, pieces) => {
        const wire = Buffer.from(chunks.map((c) => `${c.length.toString(16)}\r\n${c}\r\n`).join('') + '0\r\n\r\nNEXT', 'latin1');
        expect(readAll(wire, pieces)).toEqual({ text: chunks.join(''), done: true, broken: false, left: 4 });
      },
    ),
  );
});

test('extensions and trailers are read past', () => {
  expect(readAll(Buffer.from('3;name=value\r\nabc\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n'))).toEqual({
    text: 'abc',
    done: true,
    broken: false,
    left: 0,
  });
});

test.each([
  ['no size', '\r\nabc'],
  ['a sign', '+3\r\nabc\r\n'],
  ['a space in the size', '3 \r\nabc\r\n'],
  ['a bare line feed after the size', '3\nabc\r\n'],
  ['a bare line feed in an extension', '3;x\nabc\r\n'],
  ['data longer than its size', '3\r\nabcd\r\n'],
  ['a size beyond 2^52', 'fffffffffffffff\r\n'],
  ['a bare line feed in a trailer', '0\r\nX: 1\n\r\n'],
  ['a bare line feed at the end', '0\r\n\n'],
  ['an endless extension', `3;${'x'.repeat(5_000)}\r\nabc`],
])('a body with %s is broken', (_what, wire) => {
  expect(readAll(Buffer.from(wire)).broken).toBe(true);
});
