import { spawn, spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, readlink, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { isGoneWithin, signal } from '../processes/process-table.ts';
import { connectDatabase } from './connect.ts';
import { type EmbeddedOptions, findEmbeddedPostgres, startEmbeddedPostgres, stopEmbeddedPostgres } from './embedded-postgres.ts';
import { findAccount } from './postgres-binaries.ts';

/** Folders of databases, each in a parent of its own that goes as well. */
const folders: string[] = [];

/** In a parent that everybody may enter, as a home is by default. */
async function newFolder(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'tidegate-embedded-'));
  await chmod(parent, 0o711);
  return remember(join(parent, 'postgres'));
}

function remember(folder: string): string {
  folders.unshift(folder);
  return folder;
}

afterEach(async () => {
  for (const folder of folders.splice(0)) {
    await stopEmbeddedPostgres(folder);
    const away = await readlink(join(folder, 'data')).catch(() => undefined);
    if (away !== undefined) await rm(dirname(away), { recursive: true, force: true });
    await rm(dirname(folder), { recursive: true, force: true });
  }
});

/** Nothing flushed, for speed: only a power failure could tell the difference, kill -9 cannot. */
const start = (folder: string, more: Partial<EmbeddedOptions> = {}) => startEmbeddedPostgres({ folder, durable: false, ...more });

async function query<T extends pg.QueryResultRow>(url: string, text: string): Promise<readonly T[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

test('what was committed survives kill -9, under the same address, with a backend still busy', async () => {
  const folder = await newFolder();
  const first = await start(folder, { durable: true });
  await query(first.url, 'create table kept (n int); insert into kept values (42)');
  const busy = query(first.url, 'select count(*) from generate_series(1, 1e12::bigint)').catch(() => 'cut off');
  while ((await query(first.url, `select 1 from pg_stat_activity where query like '%1e12%' and pid <> pg_backend_pid()`)).length === 0);

  signal(first.pid, 'SIGKILL');
  await isGoneWithin(first.pid, 5_000);
  const second = await start(folder);

  expect(second).toMatchObject({ url: first.url, adopted: false });
  expect(second.pid).not.toBe(first.pid);
  expect(await query(second.url, 'select n from kept')).toEqual([{ n: 42 }]);
  expect(await busy).toBe('cut off');
});

test('a lock file whose number was given to another process does not lock the database', async () => {
  const folder = await newFolder();
  const { pid } = await start(folder);
  const lockFile = join(folder, 'data', 'postmaster.pid');
  const lock = await readFile(lockFile, 'utf8');
  signal(pid, 'SIGKILL');
  await isGoneWithin(pid, 5_000);
  // Of PostgreSQL's own account: it does not believe in the processes of others.
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore', ...findAccount() });
  onTestFinished(() => void bystander.kill());
  await writeFile(lockFile, lock.replace(/^\d+/, String(bystander.pid)));

  expect(await start(folder)).toMatchObject({ adopted: false });
});

test('a running one is adopted, by many at once too', async () => {
  const folder = await newFolder();

  const [first, ...others] = await Promise.all([start(folder), start(folder), start(folder)]);

  for (const other of others) expect(other).toMatchObject({ pid: first?.pid, url: first?.url });
  expect(await start(folder)).toMatchObject({ pid: first?.pid, adopted: true });
  expect(await findEmbeddedPostgres(folder)).toMatchObject({ pid: first?.pid });
});

test('killing who started it does not end it', async () => {
  const folder = await newFolder();
  const program = `
    import { startEmbeddedPostgres } from ${JSON.stringify(join(import.meta.dirname, 'embedded-postgres.ts'))};
    await startEmbeddedPostgres({ folder: ${JSON.stringify(folder)} });
    process.kill(process.pid, 'SIGKILL');`;

  const launcher = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });

  expect(launcher).toMatchObject({ signal: 'SIGKILL', stderr: '' });
  expect(await start(folder)).toMatchObject({ adopted: true });
});

test('an ordered stop is final and may be repeated; the next start takes the same port', async () => {
  const folder = await newFolder();
  const first = await start(folder);

  await stopEmbeddedPostgres(folder);
  await stopEmbeddedPostgres(folder);

  expect(await findEmbeddedPostgres(folder)).toBeUndefined();
  expect(await start(folder)).toMatchObject({ port: first.port, adopted: false });
});

test('a port that somebody else has taken is refused when it was asked for, and avoided when not', async () => {
  const folder = await newFolder();
  const first = await start(folder);
  await stopEmbeddedPostgres(folder);
  const squatter = createServer().listen(first.port, '127.0.0.1');
  await new Promise((resolve) => squatter.once('listening', resolve));
  onTestFinished(() => void squatter.close());

  await expect(start(folder, { port: first.port })).rejects.toMatchObject({ code: 'database.port-in-use' });
  const second = await start(folder);

  expect(second.port).not.toBe(first.port);
});

test('its password is random, in a file that only its owner reads, and asked for', async () => {
  const folder = await newFolder();
  const { url } = await start(folder);
  const { mode } = await stat(join(folder, 'data', 'tidegate.password'));

  expect(mode & 0o777).toBe(0o600);
  expect(new URL(url).password).toMatch(/^[\w-]{32}$/);
  await expect(query(url.replace(/:[^:@/]+@/, ':guess@'), 'select 1')).rejects.toMatchObject({ code: '28P01' });
  expect(await readFile(join(folder, 'postgres.log'), 'utf8')).not.toContain(new URL(url).password);
});

test('one that runs but is not opened by our password is refused, not killed', async () => {
  const folder = await newFolder();
  const { pid } = await start(folder);
  await writeFile(join(folder, 'data', 'tidegate.password'), 'another');

  await expect(start(folder)).rejects.toMatchObject({ code: 'database.not-ours' });
  expect(signal(pid, 0)).toBe(true);
});

test('data of another PostgreSQL is refused', async () => {
  const folder = await newFolder();
  await start(folder);
  await stopEmbeddedPostgres(folder);
  await writeFile(join(folder, 'data', 'PG_VERSION'), '17\n');

  await expect(start(folder)).rejects.toMatchObject({ code: 'database.wrong-version' });
});

test('a start that was interrupted while the cluster was made leaves nothing that is mistaken for one', async () => {
  const folder = await newFolder();
  const half = join(folder, 'data.99999999-abcd');
  await mkdir(half, { recursive: true });
  await chmod(folder, 0o711);

  expect(await start(folder)).toMatchObject({ adopted: false });
  await expect(stat(half)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('it starts in a folder whose parent is closed to everybody else', async () => {
  const folder = await newFolder();
  const closed = join(await realpath(dirname(folder)), 'closed');
  await mkdir(closed, { mode: 0o700 });
  await chmod(dirname(folder), 0o700);
  const inside = remember(join(closed, 'home', 'postgres'));

  const first = await start(inside);
  await query(first.url, 'create table here ()');
  await stopEmbeddedPostgres(inside);
  const second = await start(inside);

  expect(await query(second.url, 'select count(*)::int as n from here')).toEqual([{ n: 0 }]);
});

test('a full disk is a readable fault, and work goes on when there is room again', async (context) => {
  const disk = dirname(await newFolder());
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=711', 'tmpfs', disk]);
  if (status !== 0) context.skip('only who may mount a small disk can fill one');
  const folder = join(disk, 'postgres');
  const ballast = join(disk, 'ballast');
  try {
    const { url } = await start(folder);
    await using db = connectDatabase(url);
    await sql`create table letters (text text)`.execute(db);
    const write = (rows: number) =>
      sql`insert into letters select repeat(md5(n::text), 200) from generate_series(1, ${rows}::int) n`.execute(db);
    await expect(writeFile(ballast, Buffer.alloc(160_000_000))).rejects.toMatchObject({ code: 'ENOSPC' });

    await expect(write(5_000)).rejects.toMatchObject({ code: 'database.disk-full', status: 507, retryable: true });
    await rm(ballast);
    await write(10);

    expect(await query(url, 'select count(*)::int as n from letters')).toEqual([{ n: 10 }]);
  } finally {
    await stopEmbeddedPostgres(folder);
    spawnSync('umount', [disk]);
  }
});

test('an ordinary user can run it', async () => {
  const folder = await newFolder();
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  if (nobody.uid !== undefined) await chown(dirname(folder), nobody.uid, nobody.gid);
  const program = `
    import { startEmbeddedPostgres } from ${JSON.stringify(join(import.meta.dirname, 'embedded-postgres.ts'))};
    const { pid } = await startEmbeddedPostgres({ folder: ${JSON.stringify(folder)} });
    console.log('started', pid);`;

  const launcher = spawnSync(process.execPath, ['--input-type=module', '-e', program], { ...nobody, encoding: 'utf8', cwd: '/' });

  expect(launcher).toMatchObject({ stdout: expect.stringMatching(/^started \d+/) as string, stderr: '' });
});
