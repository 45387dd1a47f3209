import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Fault } from '../fault.ts';
import { isAlive } from '../processes/process-table.ts';
import { asDatabaseFault } from './faults.ts';
import { type Account, type Binaries, exists } from './postgres-binaries.ts';

const majorVersion = '18';
export const user = 'tidegate';
/** Inside the data directory, mode 0600. */
export const passwordName = 'tidegate.password';

export interface ClusterOptions {
  readonly folder: string;
  readonly durable: boolean;
  readonly binaries: Binaries;
  readonly account: Account | undefined;
}

/** Made aside and renamed: a cluster whose making was interrupted is never mistaken for one. */
export async function ensureCluster({ folder, durable, binaries, account }: ClusterOptions): Promise<void> {
  const data = join(folder, 'data');
  if (await exists(join(data, 'PG_VERSION'))) return checkVersion(data);
  const place = await readlink(data).catch(() => data);
  await removeAbandoned(place);
  const half = `${place}.${process.pid}-${randomBytes(4).toString('hex')}`;
  const passwordFile = `${half}.password`;
  try {
    await mkdir(half, { mode: 0o700 });
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (account) for (const path of [half, passwordFile]) await chown(path, account.uid, account.gid);
    await initialise({ binaries, half, passwordFile, account, durable });
    // The password travels inside, so that whoever wins the race for the name brings the password that fits.
    await rename(passwordFile, join(half, passwordName));
    await rename(half, place);
  } catch (error) {
    if (!(await exists(join(data, 'PG_VERSION')))) throw diskFull(error) ?? error;
  } finally {
    for (const path of [half, passwordFile]) await rm(path, { recursive: true, force: true });
  }
}

/** Makings whose process is gone; each holds 40 MB. */
async function removeAbandoned(place: string): Promise<void> {
  const prefix = `${basename(place)}.`;
  for (const name of await readdir(dirname(place))) {
    const owner = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (owner > 0 && !(await isAlive(owner))) await rm(join(dirname(place), name), { recursive: true, force: true });
  }
}

async function checkVersion(data: string): Promise<void> {
  const version = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
  if (version === majorVersion) return;
  throw new Fault({
    code: 'database.wrong-version',
    message: `expected a database of PostgreSQL ${majorVersion} in ${data}, got one of PostgreSQL ${version}`,
    remedy: 'start the version of Tidegate that made it, or move the folder away to begin with an empty database',
  });
}

interface Initialisation {
  readonly binaries: Binaries;
  readonly half: string;
  readonly passwordFile: string;
  readonly account: Account | undefined;
  readonly durable: boolean;
}

/** The builtin locale sorts alike on every machine: an index never depends on the C library's version. */
async function initialise({ binaries, half, passwordFile, account, durable }: Initialisation): Promise<void> {
  const flags = [`--pgdata=${half}`, `--username=${user}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const child = spawn(binaries.initdb, [...flags, ...locale, ...(durable ? [] : ['--no-sync'])], {
    ...account,
    cwd: dirname(half),
    env: bareEnvironment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said = (said + chunk).slice(-4_000);
  });
  const code = await exitOf(child);
  if (code !== 0) throw startFailed(dirname(half), said.trim().split('\n').slice(-5));
}

export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
}

/** Nothing of ours is inherited: the environment of the platform holds secrets, and LC_* or PG* would change PostgreSQL. */
export const bareEnvironment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' };

function diskFull(error: unknown): unknown {
  const full = (error as { code?: string }).code === 'ENOSPC' || /No space left on device/.test((error as Error).message);
  return full ? asDatabaseFault({ code: '53100', message: 'while the database was made' }) : undefined;
}

export function startFailed(folder: string, said: readonly string[]): Fault {
  return new Fault({
    code: 'database.start-failed',
    message: `expected PostgreSQL to start on ${folder}, got: ${said.join(' | ') || 'no answer within 60 s'}`,
    remedy: `read ${join(folder, 'postgres.log')}`,
  });
}
