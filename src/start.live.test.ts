import { spawn, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { isAlive, signal } from './platform/processes/process-table.ts';
import { stopEverything } from './platform/processes/stop-everything.ts';
import { type Platform, startPlatform } from './start-platform.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tidegate-start-'));
  await chmod(home, 0o711);
});
afterEach(async () => {
  await stopEverything(home);
  await rm(home, { recursive: true, force: true });
});

const start = () => startPlatform({ home, port: 0 });

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const giveUpAt = performance.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > giveUpAt) throw new Error(`expected ${what} within a minute`);
    await sleep(50);
  }
}

function pidOf(platform: Platform, name: string): number | undefined {
  return platform.processes().find((each) => each.name === name)?.pid;
}

function isHealthy(platform: Platform): Promise<boolean> {
  return fetch(`${platform.url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

test('each of its processes that is killed with -9 comes back, the database too', async () => {
  const platform = await startPlatform({ home, port: await freePort() });
  const names = platform.processes().map(({ name }) => name);
  expect(names).toEqual(['postgres', 'router', 'host', 'server', 'worker']);

  for (const name of names) {
    const before = pidOf(platform, name) ?? 0;
    signal(before, 'SIGKILL');
    await until(`${name} to be back`, () => {
      const found = platform.processes().find((each) => each.name === name);
      return found?.state === 'running' && found.pid !== before;
    });
  }

  await until('the API to answer', () => isHealthy(platform));
  await platform.stop();
});

test('router and host outlive a stop and are adopted by the next start; everything ends when asked', async () => {
  const first = await start();
  const [router, host] = [pidOf(first, 'router'), pidOf(first, 'host')];
  await first.stop();
  expect([await isAlive(router ?? 0), await isAlive(host ?? 0)]).toEqual([true, true]);

  const second = await start();
  expect([pidOf(second, 'router'), pidOf(second, 'host')]).toEqual([router, host]);
  const all = second.processes().map(({ pid }) => pid ?? 0);
  await second.stop({ all: true });

  expect(await Promise.all(all.map(isAlive))).toEqual(all.map(() => false));
});

test('a second platform on one home is refused and does the first no harm', async () => {
  const first = await start();

  await expect(start()).rejects.toMatchObject({ code: 'control.already-running' });

  expect(await isHealthy(first)).toBe(true);
  expect(first.processes().map(({ restarts }) => restarts)).toEqual([0, 0, 0, 0, 0]);
  await first.stop();
});

test('what a killed supervisor left is taken over by the next', async () => {
  const port = await freePort();
  const environment = { ...process.env, TIDEGATE_HOME: home, PORT: String(port) };
  const supervisor = spawn(process.execPath, [join(import.meta.dirname, 'start.ts')], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  supervisor.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  await until('the platform to be ready', () => said.includes('"ready":true'));
  const gone = new Promise((resolve) => supervisor.once('exit', resolve));
  supervisor.kill('SIGKILL');
  await gone;

  const next = await startPlatform({ home, port });

  expect(next.processes().map(({ name, adopted }) => [name, adopted])).toEqual([
    ['postgres', true],
    ['router', true],
    ['host', true],
    ['server', false],
    ['worker', false],
  ]);
  expect(await isHealthy(next)).toBe(true);
  await next.stop();
});

test('a port in use is one readable sentence and exit status 2, and nothing is left running', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => squatter.once('listening', resolve));
  onTestFinished(() => void squatter.close());
  const port = String((squatter.address() as { port: number }).port);

  // Not the synchronous kind: the squatter lives in this process and must go on answering.
  const { status, stderr } = await run({ TIDEGATE_HOME: home, PORT: port });

  expect(status).toBe(2);
  expect(stderr).toMatch(new RegExp(`^expected port ${port} on 127.0.0.1 to be free, got another process listening on it\n {2}→ .*\n$`));
  expect(await stopEverything(home)).toEqual([]);
});

test('wrong settings are all told at once, with exit status 2', async () => {
  const { status, stderr } = await run({ TIDEGATE_HOME: home, PORT: 'http', TIDEGATE_DATABASE_POOL: '0' });

  expect(status).toBe(2);
  expect(stderr).toMatch(/PORT: .*TIDEGATE_DATABASE_POOL: /);
});

test('a server started alone says how to get a database when none runs', () => {
  const environment = { ...process.env, TIDEGATE_HOME: home, DATABASE_URL: '' };

  const server = spawnSync(process.execPath, [join(import.meta.dirname, 'server.ts')], { env: environment, encoding: 'utf8' });

  expect(server).toMatchObject({ status: 2, stderr: expect.stringContaining('expected DATABASE_URL or a running database') as string });
});

test('the administrator token of the first start is in a private file and nowhere in the logs', async () => {
  const platform = await start();
  const token = platform.adminToken ?? 'none';
  await platform.stop();

  expect(token).toMatch(/^tg_/);
  for (const { name } of platform.processes()) {
    const log = name === 'postgres' ? join(platform.paths.postgres, 'postgres.log') : join(platform.paths.logs, `${name}.log`);
    expect(await readFile(log, 'utf8')).not.toContain(token);
  }
});

async function run(environment: Readonly<Record<string, string>>): Promise<{ readonly status: number | null; readonly stderr: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'start.ts')], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, stderr };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
