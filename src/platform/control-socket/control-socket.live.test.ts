import { spawn } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fault } from '../fault.ts';
import { connectControlSocket } from './client.ts';
import { serveControlSocket, type ControlHandlers, type ControlSocket } from './server.ts';

let folder: string;
let path: string;
const open: { close(): unknown }[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tg-control-'));
  path = join(folder, 'run/it.sock');
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  await rm(folder, { recursive: true, force: true });
});

async function serve(handlers: ControlHandlers, onDefect?: (error: unknown) => void): Promise<ControlSocket> {
  const socket = await serveControlSocket({ path, processName: 'host', handlers, maxBodyBytes: 1_000, ...(onDefect ? { onDefect } : {}) });
  open.push(socket);
  return socket;
}

function client(timeoutMs = 5_000) {
  const connected = connectControlSocket({ path, processName: 'host', timeoutMs });
  open.push(connected);
  return connected;
}

test('a call carries plain JSON there and back; nothing becomes null', async () => {
  await serve({ echo: (input) => Promise.resolve(input), nothing: () => Promise.resolve(undefined) });
  const connected = client();
  expect(await connected.call('echo', { a: [1, 'ü'] })).toEqual({ a: [1, 'ü'] });
  expect(await connected.call('nothing', {})).toBeNull();
});

test('a Fault arrives as it was thrown', async () => {
  const thrown = new Fault({
    code: 'a.b',
    status: 409,
    message: 'expected x, got y',
    remedy: 'do z',
    retryable: true,
    faults: [{ pointer: '/a', detail: 'd' }],
    extra: { n: 1 },
  });
  await serve({ fail: () => Promise.reject(thrown) });
  const got = await client()
    .call('fail', {})
    .catch((error: unknown) => error);
  expect(got).toBeInstanceOf(Fault);
  const { code, status, message, remedy, retryable, faults, extra } = got as Fault;
  expect({ code, status, message, remedy, retryable, faults, extra }).toEqual({
    code: 'a.b',
    status: 409,
    message: 'expected x, got y',
    remedy: 'do z',
    retryable: true,
    faults: [{ pointer: '/a', detail: 'd' }],
    extra: { n: 1 },
  });
});

test('the text of a defect stays on its side', async () => {
  const defects: unknown[] = [];
  await serve({ fail: () => Promise.reject(new Error('password=hunter2')) }, (error) => defects.push(error));
  await expect(client().call('fail', {})).rejects.toMatchObject({
    code: 'control.defect',
    status: 500,
    message: expect.not.stringContaining('hunter2') as string,
  });
  expect(defects).toHaveLength(1);
});

test('an unknown method, a name of Object and a body over the limit are refused', async () => {
  await serve({ echo: (input) => Promise.resolve(input) });
  const connected = client();
  await expect(connected.call('other', {})).rejects.toMatchObject({ status: 404 });
  await expect(connected.call('constructor', {})).rejects.toMatchObject({ status: 404 });
  await expect(connected.call('echo', 'x'.repeat(2_000))).rejects.toMatchObject({ status: 413 });
});

test('a body that is not JSON is refused', async () => {
  await serve({ echo: (input) => Promise.resolve(input) });
  const sent = request({ socketPath: path, method: 'POST', path: '/echo' });
  sent.end('{');
  const [response] = (await once(sent, 'response')) as [{ statusCode: number; resume(): void }];
  response.resume();
  expect(response.statusCode).toBe(400);
});

test('only the owner may connect', async () => {
  await serve({});
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'run'))).mode & 0o777).toBe(0o700);
});

test('a second server on the same path is refused, and so are all but one that start at once', async () => {
  const started = await Promise.allSettled(Array.from({ length: 5 }, () => serve({})));
  const refused = started.filter((one) => one.status === 'rejected');
  expect(refused).toHaveLength(4);
  for (const one of refused)
    expect(one.reason).toMatchObject({
      code: 'control.already-running',
      status: 409,
      message: expect.stringContaining('no other host') as string,
    });
  await expect(serve({})).rejects.toMatchObject({ code: 'control.already-running' });
});

test('a socket file that a killed process left is replaced, and so is any other file in its place', async () => {
  await serve({}).then((socket) => socket.close());
  const dead = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  await once(dead, 'exit');
  expect((await stat(path)).isSocket()).toBe(true);
  const replaced = await serve({ ping: () => Promise.resolve('pong') });
  expect(await client().call('ping', {})).toBe('pong');
  await replaced.close();
  await writeFile(path, 'not a socket');
  await serve({ ping: () => Promise.resolve('pong') });
  expect(await client().call('ping', {})).toBe('pong');
});

test('nobody there, no answer in time, and an answer that is none are faults of their own', async () => {
  await expect(client().call('x', {})).rejects.toMatchObject({ code: 'host.unreachable', status: 503, retryable: true });
  const socket = await serve({ hang: () => new Promise(() => undefined) });
  await expect(client(100).call('hang', {})).rejects.toMatchObject({ code: 'host.timeout', status: 504, retryable: true });
  await socket.close();
  const babbler = createServer((connection) => connection.end('hello')).listen(path);
  open.push(babbler);
  await once(babbler, 'listening');
  await expect(client().call('x', {})).rejects.toMatchObject({ code: 'host.unreachable', retryable: true });
});

test('a restart between two calls is not seen by the caller', async () => {
  const first = await serve({ who: () => Promise.resolve(1) });
  const connected = client();
  expect(await connected.call('who', {})).toBe(1);
  await first.close();
  await serve({ who: () => Promise.resolve(2) });
  expect(await connected.call('who', {})).toBe(2);
});

test('a path the kernel would cut is refused with what to do', async () => {
  const long = join(folder, 'x'.repeat(120), 'it.sock');
  await expect(serveControlSocket({ path: long, processName: 'host', handlers: {} })).rejects.toMatchObject({
    code: 'control.path-too-long',
    remedy: expect.stringContaining('TIDEGATE_HOME') as string,
  });
});
