import { stat } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort, startUpstream, TestClient, until, type TestUpstream } from '../../environments/upstream.contract.ts';
import { end, spawnRouter, startRouterProcess, type RouterProcess } from './router-process.contract.ts';

let routed: RouterProcess;
let upstream: TestUpstream;
let port: number;
let lanes = 0;
const client = new TestClient();
const cleanUp: (() => void | Promise<void>)[] = [];

beforeAll(async () => {
  routed = await startRouterProcess({ TIDEGATE_ROUTER_MAX_BODY: '1000', TIDEGATE_ROUTER_HEAD_TIMEOUT_MS: '300' });
  upstream = await startUpstream('1.0.0');
  port = await routeTo(upstream.url);
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0)) await clean();
});
afterAll(async () => {
  client.close();
  await routed?.close();
  await upstream?.close();
});

async function routeTo(url: string, of: RouterProcess = routed): Promise<number> {
  const lane = `shop/raw-${lanes++}`;
  const at = await freePort();
  await of.router.setRoute(
    { lane, port: at, arms: [{ deployment: lane, version: '1.0.0', upstream: url, weight: 100 }] },
    { lane, token: 1 },
  );
  return at;
}

/** An upstream that says exactly these bytes to each request. */
async function rawUpstream(
  answer: (socket: Socket, request: string) => void,
): Promise<{ readonly url: string; readonly seen: string[]; readonly sockets: Set<Socket> }> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      if (data.toString().startsWith('HEAD / '))
        return void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      seen.push(data.toString('latin1'));
      return answer(socket, data.toString('latin1'));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  cleanUp.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, sockets };
}

/** A user's connection, byte by byte. */
function userOn(at: number) {
  const socket = connect(at, '127.0.0.1');
  let text = '';
  let isClosed = false;
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.on('close', () => {
    isClosed = true;
  });
  cleanUp.push(() => void socket.destroy());
  return {
    socket,
    write: (bytes: string) => void socket.write(bytes, 'latin1'),
    saw: (what: string, times = 1) =>
      until(
        `${times} × ${JSON.stringify(what)} in ${JSON.stringify(text.slice(0, 500))}`,
        async () => text.split(what).length > times && text,
      ),
    closed: () => until('the end of the connection', async () => isClosed && { text }),
  };
}

const get = (path: string, ...headers: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: shop\r\nX-User-Id: ada\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;

describe('reading requests', () => {
  test('requests on one connection are answered in order, however their bytes arrive', async () => {
    const user = userOn(port);
    user.write(get('/slow?ms=50') + get('/ok'));
    await user.saw('1.0.0\r\n', 2);
    user.write(get('/ok').slice(0, 20));
    await user.saw('HTTP/1.1 200', 2);
    user.write(get('/ok').slice(20));
    expect((await user.saw('HTTP/1.1 200', 3)).split('HTTP/1.1').length).toBe(4);
  });

  test('a request sent while another is under way waits its turn', async () => {
    const user = userOn(port);
    user.write(get('/slow?ms=80'));
    await until('the request upstream', async () => (upstream.received.get('GET /slow') ?? 0) > 0);
    user.write(get('/fail'));
    const text = await user.saw('HTTP/1.1 500');
    expect(text.indexOf('HTTP/1.1 200')).toBeLessThan(text.indexOf('HTTP/1.1 500'));
  });

  test.each([
    ['a length and an encoding', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde'],
    ['a space before the colon', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd'],
    ['an unreadable chunk', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc'],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['no HTTP', 'hello\r\n\r\n'],
  ])('a request with %s is refused and ends the connection', async (_what, bytes) => {
    const user = userOn(port);
    user.write(bytes);
    await user.saw('HTTP/1.1 400');
    expect((await user.closed()).text).not.toContain('HTTP/1.1 200');
  });

  test('a head beyond 16 KiB is refused', async () => {
    const user = userOn(port);
    user.write(get('/ok', `X-Big: ${'x'.repeat(20_000)}`));
    expect(await user.saw('HTTP/1.1 431')).not.toContain('HTTP/1.1 200');
  });

  test('a body beyond the limit is refused, said or found out', async () => {
    const body = 'x'.repeat(2_000);
    expect((await client.send({ port, path: '/echo', method: 'POST', body, headers: { 'content-length': '2000' } })).status).toBe(413);
    expect((await client.send({ port, path: '/echo', method: 'POST', body, headers: { 'transfer-encoding': 'chunked' } })).status).toBe(
      413,
    );
  });

  test('the upstream gets the path, not the host, of a whole URL', async () => {
    const user = userOn(port);
    user.write('GET http://elsewhere/echo?x=1 HTTP/1.1\r\nHost: shop\r\n\r\n');
    expect(await user.saw('"url"')).toContain('"url":"/echo?x=1"');
  });

  test('an old client gets its answer and the end of the connection', async () => {
    const user = userOn(port);
    user.write('GET /stream?ms=10 HTTP/1.0\r\nHost: shop\r\n\r\n');
    expect((await user.closed()).text).toMatch(/first,second$/);
  });

  test('forwarded addresses a client made up do not reach the application', async () => {
    const answer = await client.send({
      port,
      path: '/echo',
      user: 'ada',
      headers: { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-host': 'evil' },
    });
    expect((JSON.parse(answer.body) as { headers: Record<string, string> }).headers['x-forwarded-for']).toBe('127.0.0.1');
  });

  test('nor does anything else that only the router may say about a request', async () => {
    const forged = { forwarded: 'for=6.6.6.6', 'x-real-ip': '6.6.6.6', 'x-tidegate-version': '9', x_forwarded_for: '6.6.6.6' };
    const answer = await client.send({ port, path: '/echo', user: 'ada', headers: forged });
    const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> };
    expect(Object.keys(headers).filter((name) => Object.hasOwn(forged, name))).toEqual([]);
  });

  test('a request with two hosts is refused: nobody could say which one is meant', async () => {
    const user = userOn(port);
    user.write('GET /echo HTTP/1.1\r\nHost: shop\r\nHost: evil\r\n\r\n');
    expect(await user.saw('HTTP/1.1 400')).not.toContain('HTTP/1.1 200');
  });

  test('the first part of a streamed answer does not wait for the second', async () => {
    const user = userOn(port);
    user.write(get('/stream?ms=1500'));
    expect(await user.saw('first,')).not.toContain('second');
    await user.saw('second');
  });
});

describe('reading responses', () => {
  test.each([
    ['a length and an encoding', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc'],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['a switch of protocols nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ])('%s is a bad gateway', async (_what, bytes) => {
    const raw = await rawUpstream((socket) => socket.write(bytes));
    expect((await client.send({ port: await routeTo(raw.url), path: '/ok', user: 'ada' })).status).toBe(502);
  });

  test.each([
    ['in one packet with it', 0],
    ['later', 30],
  ])('bytes behind a response, %s, never reach the next user: the connection is given up', async (_what, ms) => {
    const raw = await rawUpstream((socket) => {
      const extra = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret';
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${ms === 0 ? extra : ''}`);
      if (ms > 0) setTimeout(() => socket.write(extra), ms);
    });
    const at = await routeTo(raw.url);
    const first = await client.send({ port: at, path: '/1', user: 'ada' });
    await until('the end of the first connection', async () => [...raw.sockets].every((socket) => socket.destroyed), 2_000);

    const second = await client.send({ port: at, path: '/2', user: 'eve' });

    expect([first.body, second.body]).toEqual(['ok', 'ok']);
  });

  test('the head of an answer does not wait for its body', async () => {
    const raw = await rawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n');
      setTimeout(() => socket.write('body'), 1_000);
    });
    const user = userOn(await routeTo(raw.url));
    user.write(get('/1'));
    expect(await user.saw('\r\n\r\n')).not.toContain('body');
    await user.saw('body');
  });

  test('interim responses are swallowed', async () => {
    const raw = await rawUpstream((socket) =>
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    );
    expect(await client.send({ port: await routeTo(raw.url), path: '/1', user: 'ada' })).toMatchObject({ status: 200, body: 'ok' });
  });

  test('a response without length or chunks ends with its connection', async () => {
    const raw = await rawUpstream((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'));
    expect(await client.send({ port: await routeTo(raw.url), path: '/1', user: 'ada' })).toMatchObject({ status: 200, body: 'all of it' });
  });

  test('a response that breaks off is broken off for the user too, and is an error of the arm', async () => {
    const raw = await rawUpstream(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.destroy()),
    );
    const at = await routeTo(raw.url);
    await expect(client.send({ port: at, path: '/1', user: 'ada' })).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    const lane = `shop/raw-${lanes - 1}`;
    await until('the error', async () => (await routed.router.readCounts(lane)).batches.some((batch) => batch.arms[lane]?.errors === 1));
    expect((await routed.router.findRoute(lane))?.failedByRouter).toBe(0);
  });

  test('an application that does not answer is given up in time', async () => {
    const raw = await rawUpstream(() => undefined);
    expect((await client.send({ port: await routeTo(raw.url), path: '/1', user: 'ada' })).status).toBe(504);
    expect(raw.seen).toHaveLength(1);
  });

  test('when the user goes, the application is told, and nobody is blamed', async () => {
    const raw = await rawUpstream((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'));
    const user = userOn(await routeTo(raw.url));
    user.write(get('/1'));
    await user.saw('half');
    user.socket.destroy();
    await until('the end upstream', async () => [...raw.sockets].every((socket) => socket.destroyed));
    const lane = `shop/raw-${lanes - 1}`;
    const batch = await until('the count', async () =>
      (await routed.router.readCounts(lane)).batches.find((of) => of.arms[lane]?.requests === 1),
    );
    expect(batch.arms[lane]).toMatchObject({ errors: 0, users: 1 });
    expect((await routed.router.findRoute(lane))?.inFlight).toEqual({ [lane]: 0 });
  });

  test('a connection the application closed while idle costs nobody a failed request', async () => {
    let answered = 0;
    const raw = await rawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      if (++answered === 1) setImmediate(() => socket.end());
    });
    const at = await routeTo(raw.url);
    const answers = [await client.send({ port: at, path: '/1', user: 'ada' }), await client.send({ port: at, path: '/2', user: 'ada' })];
    expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
  });

  test('many megabytes pass at the pace of the reader', async () => {
    const size = 64 * 1_048_576;
    const raw = await rawUpstream((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const part = Buffer.alloc(65_536, 'x');
      let left = size;
      const send = (): void => {
        while (left > 0) {
          left -= part.length;
          if (!socket.write(part)) return void socket.once('drain', send);
        }
      };
      send();
    });
    const user = userOn(await routeTo(raw.url));
    const sent = (): number => [...raw.sockets].reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0);
    user.socket.pause();
    user.write(get('/1'));

    // What neither the reader nor the buffers of the kernel took must still be upstream, not in the router's memory.
    const taken = await until('a standstill', async () => {
      const before = sent();
      await new Promise((resolve) => setTimeout(resolve, 200));
      return before > 0 && sent() === before && before;
    });
    expect(taken).toBeLessThan(size / 2);

    let bytes = 0;
    user.socket.removeAllListeners('data');
    user.socket.on('data', (data: Buffer) => {
      bytes += data.length;
    });
    user.socket.resume();
    await until('all of it', async () => bytes > size);
  });
});

describe('WebSockets', () => {
  const upgrade = get('/chat', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x', 'Sec-WebSocket-Version: 13');

  test('bytes pass both ways after the upgrade, which says the version and counts once', async () => {
    const raw = await rawUpstream((socket, text) => {
      if (text.startsWith('GET'))
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: y\r\n\r\nhello',
        );
      else socket.write(`echo ${text}`);
    });
    const user = userOn(await routeTo(raw.url));
    user.write(upgrade);
    await user.saw('hello');
    user.write('frame');
    const text = await user.saw('echo frame');
    expect(text).toMatch(/^HTTP\/1.1 101/);
    expect(text).toContain('x-tidegate-version: 1.0.0');
    expect(text).toContain('Sec-WebSocket-Accept: y');
    const lane = `shop/raw-${lanes - 1}`;
    await until('the count', async () => (await routed.router.readCounts(lane)).batches.some((batch) => batch.arms[lane]?.requests === 1));
    user.socket.destroy();
    await until('the end upstream', async () => [...raw.sockets].every((socket) => socket.destroyed));
  });

  test('a refused upgrade ends the connection: nothing may pass the router on it', async () => {
    const raw = await rawUpstream((socket) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'));
    const user = userOn(await routeTo(raw.url));
    user.write(upgrade);
    expect((await user.closed()).text).toMatch(/^HTTP\/1.1 403/);
  });
});

describe('the process', () => {
  test('a second router on the same home is refused with a sentence, and the first serves on', async () => {
    await expect(spawnRouter(routed.home)).rejects.toThrow(/expected no other router on this home/);
    expect((await client.send({ port, path: '/ok', user: 'ada' })).status).toBe(200);
  });

  test('socket and state are closed to others', async () => {
    expect((await stat(join(routed.home, 'run/router.sock'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(routed.home, 'run'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(routed.home, 'router/state.json'))).mode & 0o777).toBe(0o600);
  });

  test('SIGTERM lets requests in flight end and takes no new ones', async () => {
    const own = await startRouterProcess();
    const at = await routeTo(upstream.url, own);
    const before = upstream.received.get('GET /slow') ?? 0;
    const [viaFast, viaNode] = [userOn(at), userOn(at)];
    viaFast.write(get('/slow?ms=600'));
    viaNode.write(get('/slow?ms=600', 'X-Forwarded-For: 1.1.1.1'));
    await until('both upstream', async () => (upstream.received.get('GET /slow') ?? 0) === before + 2);

    const gone = end(own.child(), 'SIGTERM');

    await until('no new connections', async () =>
      client.send({ port: at, path: '/ok' }).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      ),
    );
    expect((await viaFast.closed()).text).toMatch(/^HTTP\/1.1 200 OK[^]*1\.0\.0$/);
    expect((await viaNode.closed()).text).toMatch(/^HTTP\/1.1 200 OK/);
    await gone;
    expect(own.child().exitCode).toBe(0);
    await own.close();
  });

  test('a router that is away is a fault that says so and may be tried again', async () => {
    const own = await startRouterProcess();
    await end(own.child(), 'SIGKILL');
    await expect(own.router.listRoutes()).rejects.toMatchObject({ code: 'router.unreachable', status: 503, retryable: true });
    await own.close();
  });

  test("a users' port that is taken at the start is taken up as soon as it is free", async () => {
    const own = await startRouterProcess();
    const at = await routeTo(upstream.url, own);
    await end(own.child(), 'SIGKILL');
    const squatter = createServer().listen(at, '127.0.0.1');
    await new Promise((resolve) => void squatter.once('listening', resolve));
    await own.crash();
    expect(await own.router.listRoutes()).toHaveLength(1);

    await new Promise((resolve) => void squatter.close(resolve));

    await until('service', async () =>
      client.send({ port: at, path: '/ok', user: 'ada' }).then(
        (answer) => answer.status === 200,
        () => false,
      ),
    );
    await own.close();
  });
});
