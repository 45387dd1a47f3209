import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { appendFile, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { spawn, type ChildProcess } from 'node:child_process';
import { pack as createPack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { targetContract, type ArchiveFile, type TargetUnderTest } from '../../environments/target.contract.ts';
import { until } from '../../environments/upstream.contract.ts';
import { connectHost } from './host-client.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';

targetContract('the process host', startHost);

describe('the process host after kill -9', () => {
  /** One running application, its host killed and its state as `edit` leaves it; then a new host. */
  async function restartWith(edit: (process: ProcessIdentity | undefined) => ProcessIdentity | undefined) {
    const host = await startHost();
    const fence = { lane: 'shop/staging', token: 1 };
    const artifactDigest = await host.pack([
      { path: 'server.cjs', content: "require('http').createServer((q, r) => r.end(String(process.pid))).listen(process.env.PORT);" },
    ]);
    const spec = {
      name: 'it',
      application: 'shop',
      environment: 'staging',
      version: '1',
      artifactDigest,
      command: ['node', 'server.cjs'],
      environmentVariables: {},
    };
    const { url } = await host.target.ensureInstance(spec, fence);
    const pid = () => until('the application', async () => (await fetch(url)).text().catch(() => undefined), 10_000);
    const before = await until('the application', () => pid().catch(() => undefined));
    await host.kill();
    const file = join(host.home, 'host/state.json');
    const state = JSON.parse(await readFile(file, 'utf8')) as { instances: { process?: ProcessIdentity | undefined }[] };
    for (const instance of state.instances) instance.process = edit(instance.process);
    await writeFile(file, JSON.stringify(state));
    await host.start();
    return { host, fence, before, after: await until('the application', () => pid().catch(() => undefined)) };
  }

  test('an application started just before the host could write it down is found by its folder, not started twice', async () => {
    const { host, fence, before, after } = await restartWith(() => undefined);

    expect(after).toBe(before);
    expect(await host.target.findInstance('it')).toMatchObject({ state: 'running', restarts: 0 });
    await host.target.stopInstance('it', fence, 1_000);
    expect(await identify(Number(before))).toBeUndefined();
    await host.close();
  });

  test('a process number that belongs to somebody else by now is left alone', async () => {
    const stranger = spawn('sleep', ['60']);
    const { host, fence, before } = await restartWith((known) => {
      process.kill(known?.pid ?? 0, 'SIGKILL');
      return { pid: stranger.pid ?? 0, startedAt: known?.startedAt ?? '' };
    }).catch(async (error: unknown) => {
      stranger.kill();
      throw error;
    });

    const found = await until('the application again', async () => {
      const instance = await host.target.findInstance('it');
      return instance?.state === 'running' && instance;
    });
    expect(found.restarts).toBe(1);
    await host.target.stopInstance('it', fence, 1_000);
    expect(await identify(stranger.pid ?? 0)).toBeDefined();
    expect(await identify(Number(before))).toBeUndefined();
    stranger.kill();
    await host.close();
  });

  test('a second host on the same home is refused with a sentence', async () => {
    const host = await startHost();
    await expect(spawnHost(host.home)).rejects.toThrow(/expected no other host on this home/);
    await host.close();
  });

  test('its own variables, home and socket are closed to others', async () => {
    const host = await startHost();
    expect((await stat(join(host.home, 'run/host.sock'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(host.home, 'run'))).mode & 0o777).toBe(0o700);
    await host.target.stopInstance('nothing', { lane: 'a/b', token: 1 }, 0);
    expect((await stat(join(host.home, 'host/state.json'))).mode & 0o777).toBe(0o600);
    await host.close();
  });
});

interface HostUnderTest extends TargetUnderTest {
  readonly home: string;
  kill(): Promise<void>;
  start(): Promise<void>;
}

async function startHost(): Promise<HostUnderTest> {
  const home = await mkdtemp(join(tmpdir(), 'tg-host-'));
  const archivePathOf = (digest: string): Promise<string> => Promise.resolve(join(home, `${digest.slice(7)}.tar`));
  let child = await spawnHost(home);
  const target = connectHost(join(home, 'run/host.sock'), { archivePathOf });
  return {
    home,
    target,
    kill: () => end(child, 'SIGKILL'),
    async start() {
      child = await spawnHost(home);
    },
    pack: (files) => packFiles(home, files),
    tamper: async (digest) => appendFile(await archivePathOf(digest), 'x'),
    async crash() {
      await end(child, 'SIGKILL');
      child = await spawnHost(home);
    },
    async close() {
      target.close();
      await end(child, 'SIGTERM');
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function packFiles(home: string, files: readonly ArchiveFile[]): Promise<string> {
  const pack = createPack();
  for (const { path, content } of files) pack.entry({ name: path }, content);
  pack.finalize();
  const file = join(home, 'packing.tar');
  await pipeline(pack, createWriteStream(file));
  const digest = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  await rename(file, join(home, `${digest}.tar`));
  return `sha256:${digest}`;
}

async function spawnHost(home: string): Promise<ChildProcess> {
  const main = fileURLToPath(new URL('host.process.ts', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, TIDEGATE_HOME: home, SECRET_OF_HOST: 'x' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr?.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (data: Buffer) => {
      if (data.toString().includes('"ready":true')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`expected a host, got exit ${code}: ${errors}`)));
  });
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => void child.once('exit', resolve));
  child.kill(signal);
  await gone;
}
