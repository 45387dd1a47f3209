import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { until } from '../src/environments/upstream.contract.ts';
import { startTraffic } from './load.ts';

const open: (() => void)[] = [];
afterEach(() => open.splice(0).forEach((close) => close()));

async function application(answerAfterMs: (n: number) => number) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(String(request.headers['x-user-id']));
    if (request.url === '/break') return void request.socket.destroy();
    const failed = request.url === '/fail';
    return void setTimeout(
      () => response.writeHead(failed ? 500 : 200, { 'x-tidegate-version': failed ? '2.0.0' : '1.0.0' }).end('ok'),
      answerAfterMs(seen.length),
    );
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  open.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

test('requests are sent when they are due, by the users named, and told apart by version and failure', async () => {
  const { url, seen } = await application(() => 0);
  const results: string[] = [];
  const traffic = startTraffic({
    url,
    ratePerSecond: 400,
    users: 10,
    paths: ['/ok', '/fail', '/break'],
    onResult: (result) => results.push(result.user),
  });
  await until('half a second of traffic', async () => traffic.snapshot().seconds > 0.5);

  const summary = await traffic.stop();

  expect(Math.abs(summary.sent - summary.seconds * 400)).toBeLessThan(40);
  expect(summary.inFlight).toBe(0);
  expect(summary.answered + summary.connectionErrorCount).toBe(summary.sent);
  expect(results).toHaveLength(summary.sent);
  expect(new Set(seen).size).toBe(10);
  expect(summary.byVersion['1.0.0']).toMatchObject({ errors: 0 });
  expect(summary.byVersion['2.0.0']?.errors).toBe(summary.httpErrors);
  expect(summary.httpErrors).toBeGreaterThan(0);
  expect(summary.connectionErrors['ECONNRESET']).toBe(summary.connectionErrorCount);
  expect(summary.failures.length).toBeGreaterThan(0);
});

test('a stall of the server shows in the latency of every request that was due in it', async () => {
  let until300 = 0;
  const { url } = await application(() => {
    until300 ||= performance.now() + 300;
    return Math.max(0, until300 - performance.now());
  });
  const traffic = startTraffic({ url, ratePerSecond: 200, users: 5, paths: ['/ok'] });
  await until('traffic past the stall', async () => traffic.snapshot().answered > 80);

  const summary = await traffic.stop();

  expect(summary.latencyMs.max).toBeGreaterThan(250);
  expect(summary.latencyMs.p90).toBeGreaterThan(50);
});

test('nobody there is a connection error, not a crash', async () => {
  const traffic = startTraffic({ url: 'http://127.0.0.1:9', ratePerSecond: 100, users: 1, paths: ['/'] });
  await until('errors', async () => traffic.snapshot().connectionErrorCount > 3);
  expect((await traffic.stop()).connectionErrors).toHaveProperty('ECONNREFUSED');
});
