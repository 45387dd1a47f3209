import { spawn } from 'node:child_process';
import { open, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Fault } from '../fault.ts';
import { isGoneWithin, signal } from '../processes/process-table.ts';
import { asDatabaseFault } from './faults.ts';
import { type Account, type Binaries, findAccount, findBinaries, prepareFolder } from './postgres-binaries.ts';
import { bareEnvironment, ensureCluster, exitOf, passwordName, startFailed, user } from './postgres-cluster.ts';
import { clearLeftovers, findPostmaster } from './postmaster.ts';

export interface EmbeddedOptions {
  /** Holds `data/` (with the password in a file of mode 0600), `port` and `postgres.log`; made when missing. */
  readonly folder: string;
  /** Default: the port of last time when it is free, otherwise any free one. */
  readonly port?: number;
  /** False: nothing is flushed to disk. For tests only. Default true. */
  readonly durable?: boolean;
  /** Further settings, as on the command line of postgres. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** Of the database `tidegate`, with its password. Never to be logged. */
  readonly url: string;
  readonly pid: number;
  readonly port: number;
  /** True when it was running already. */
  readonly adopted: boolean;
}

const database = 'tidegate';

/**
 * Starts PostgreSQL on `folder`, or adopts the one that runs there. Idempotent, and safe when several processes try at
 * once. It is detached: it outlives whoever started it, and is found again. A killed one is recovered: its lock file and
 * orphaned backends are taken away, and PostgreSQL replays its log. It listens on 127.0.0.1 only, password required, and
 * makes no socket file. Faults: `database.{port-in-use,disk-full,not-ours,wrong-version,start-failed,no-account,no-binaries}`.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const account = findAccount();
  const binaries = await findBinaries(account);
  await prepareFolder(options.folder, account);
  await ensureCluster({ folder: options.folder, durable: options.durable ?? true, binaries, account });
  const folder = await realpath(options.folder);
  const data = await realpath(join(folder, 'data'));
  const giveUpAt = performance.now() + 60_000;
  for (let launches = 0; performance.now() < giveUpAt;) {
    const running = await findPostmaster(data);
    if (running?.status === 'ready') return adopt(folder, { ...running, adopted: launches === 0 });
    if (running) {
      await sleep(20);
      continue;
    }
    await clearLeftovers(data);
    const port = options.port ?? (await choosePort(folder, launches));
    launches += 1;
    await launch({ options, folder, data, port, binaries, account, lastTry: launches >= 5 });
  }
  throw startFailed(folder, await logTail(folder));
}

/** The one that runs on `folder` and is ready, without starting any. */
export async function findEmbeddedPostgres(folder: string): Promise<EmbeddedPostgres | undefined> {
  const data = await realpath(join(folder, 'data')).catch(() => undefined);
  const running = data === undefined ? undefined : await findPostmaster(data);
  return running?.status === 'ready' ? adopt(await realpath(folder), { ...running, adopted: true }) : undefined;
}

/** Idempotent: open transactions are rolled back, connections closed, everything flushed. Hurried after 30 s. */
export async function stopEmbeddedPostgres(folder: string): Promise<void> {
  const data = await realpath(join(folder, 'data')).catch(() => undefined);
  const running = data === undefined ? undefined : await findPostmaster(data);
  if (!running) return;
  signal(running.pid, 'SIGINT');
  if (await isGoneWithin(running.pid, 30_000)) return;
  signal(running.pid, 'SIGQUIT');
  await isGoneWithin(running.pid, 10_000);
}

interface Launch {
  readonly options: EmbeddedOptions;
  readonly folder: string;
  readonly data: string;
  readonly port: number;
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly lastTry: boolean;
}

/** Starts a postmaster and waits until it is ready or has given up; the caller looks at the data directory again then. */
async function launch(request: Launch): Promise<void> {
  const { folder, data, port } = request;
  const logFile = join(folder, 'postgres.log');
  if ((await sizeOf(logFile)) > 10_000_000) await rename(logFile, `${logFile}.1`);
  const log = await open(logFile, 'a', 0o600);
  const from = (await log.stat()).size;
  const ended = new AbortController();
  try {
    const child = spawn(request.binaries.postgres, postgresFlags(request), {
      ...request.account,
      cwd: data,
      env: bareEnvironment,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    void exitOf(child)
      .catch(() => null)
      .then(() => ended.abort());
    child.unref();
    for (const giveUpAt = performance.now() + 55_000; !ended.signal.aborted && performance.now() < giveUpAt; await sleep(15)) {
      const running = await findPostmaster(data);
      if (running?.pid === child.pid && running?.status === 'ready') return await writeFile(join(folder, 'port'), `${port}\n`);
    }
  } finally {
    await log.close();
  }
  const said = await logTail(folder, from);
  const text = said.join('\n');
  // Another starter was quicker: the next look adopts what it started.
  if (/lock file "postmaster.pid" already exists/.test(text)) return;
  if (/Address already in use/.test(text) && request.options.port !== undefined) throw portInUse(request.options.port);
  if (/No space left on device/.test(text)) throw asDatabaseFault({ code: '53100', message: text });
  if (request.lastTry) throw startFailed(folder, said);
}

function postgresFlags({ options, data, port }: Launch): readonly string[] {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    // No socket file: its path may be too long, and its lock file would be one more thing to recover.
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'warning',
    max_connections: '120',
    // A peer that vanished (SIGKILL on another machine) must not hold its locks for the two hours of the kernel's default.
    tcp_keepalives_idle: '15',
    tcp_keepalives_interval: '5',
    tcp_keepalives_count: '3',
    ...(options.durable === false ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
    ...options.settings,
  };
  return ['-D', data, '-p', String(port), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

async function choosePort(folder: string, launches: number): Promise<number> {
  const last = Number.parseInt(await readFile(join(folder, 'port'), 'utf8').catch(() => ''), 10);
  // The port of last time, so that processes that outlived the database find it again under the address they know.
  if (launches === 0 && last > 0 && (await isFree(last))) return last;
  return freePort();
}

async function isFree(port: number): Promise<boolean> {
  return listenOnce(port).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  return listenOnce(0);
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}

interface Running {
  readonly pid: number;
  readonly port: number;
  readonly adopted: boolean;
}

/** Connects to prove that it is ours, and makes the database on the first time. */
async function adopt(folder: string, { pid, port, adopted }: Running): Promise<EmbeddedPostgres> {
  const password = await readFile(join(folder, 'data', passwordName), 'utf8').catch((cause: unknown) => {
    throw notOurs(folder, pid, cause);
  });
  const url = (name: string): string => `postgres://${user}:${password}@127.0.0.1:${port}/${name}`;
  const client = new pg.Client({ connectionString: url('postgres'), connectionTimeoutMillis: 10_000, application_name: 'tidegate start' });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${database}`).catch(unlessExists);
  } catch (error) {
    const fault = asDatabaseFault(error);
    throw fault instanceof Fault && fault.code === 'database.access-denied' ? notOurs(folder, pid, error) : fault;
  } finally {
    await client.end();
  }
  return { url: url(database), pid, port, adopted };
}

/** Two starters on their first time: 42P04 when the other was done, 23505 when it was not quite. */
function unlessExists(error: unknown): void {
  const { code } = error as { code?: string };
  if (code !== '42P04' && code !== '23505') throw error;
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

async function logTail(folder: string, from = 0): Promise<readonly string[]> {
  const text = await readFile(join(folder, 'postgres.log'), 'utf8').catch(() => '');
  return text.slice(from).trim().split('\n').slice(-8);
}

function portInUse(port: number): Fault {
  return new Fault({
    code: 'database.port-in-use',
    message: `expected port ${port} to be free for PostgreSQL, got another process listening on it`,
    remedy: 'stop that process, or leave the port out to have a free one chosen',
  });
}

function notOurs(folder: string, pid: number, cause: unknown): Fault {
  return new Fault({
    code: 'database.not-ours',
    message: `expected the PostgreSQL running on ${folder} (process ${pid}) to be one of ours, got one that our password does not open`,
    remedy: `stop process ${pid}, start as the user who started it, or choose another TIDEGATE_HOME`,
    cause,
  });
}
