import { readdir, readFile, readlink, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, readCommand, readProcess, signal } from '../processes/process-table.ts';

/** What `postmaster.pid` says, checked against the process table. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly status: 'starting' | 'ready' | 'stopping';
}

/** The postmaster that runs on this data directory. A lock file left by a killed one, or one that names another process, is none. */
export async function findPostmaster(data: string): Promise<Postmaster | undefined> {
  const text = await readText(join(data, 'postmaster.pid'));
  const postmaster = text === undefined ? undefined : parsePostmaster(text);
  return postmaster && (await isPostmaster(postmaster.pid, data)) ? postmaster : undefined;
}

/** Lines: pid, data directory, start time, port, socket folder, address, shared memory, status. */
function parsePostmaster(text: string): Postmaster | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const status = lines[7] === 'ready' || lines[7] === 'stopping' ? lines[7] : 'starting';
  return { pid, port: Number(lines[3]) || 0, status };
}

/**
 * Takes away what a killed postmaster left: backends that outlived it (they hold the shared memory, and PostgreSQL would
 * refuse to start), and a lock file whose process is gone. PostgreSQL itself judges a lock file by whether any process
 * has that number, so a reused number, or a killed postmaster nobody has reaped, would lock the database for ever.
 */
export async function clearLeftovers(data: string): Promise<void> {
  await endOrphans(data);
  const file = join(data, 'postmaster.pid');
  const stale = await readText(file);
  if (stale === undefined || (await findPostmaster(data))) return;
  // Moved aside first and looked at again: another launcher may have put a living postmaster's file there meanwhile.
  const aside = `${file}.stale-${process.pid}`;
  await rename(file, aside).catch(() => {});
  if ((await readText(aside)) === stale) await rm(aside, { force: true });
  else await rename(aside, file).catch(() => {});
}

async function endOrphans(data: string): Promise<void> {
  for (let waited = 0; ; waited += 50) {
    const orphans = await listOrphans(data);
    if (orphans.length === 0) return;
    // Backends notice the loss of their postmaster by themselves at the end of a statement; a second is enough for most.
    if (waited >= 1_000) orphans.forEach((pid) => signal(pid, 'SIGKILL'));
    if (waited >= 10_000) return;
    await sleep(50);
  }
}

/** Backends of this data directory whose parent is not a postmaster of it. Empty where there is no /proc. */
async function listOrphans(data: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter((pid) => Number.isInteger(pid) && pid > 0);
  const inData = new Set<number>();
  for (const pid of pids) if ((await readlink(`/proc/${pid}/cwd`).catch(() => '')) === data) inData.add(pid);
  const orphans: number[] = [];
  for (const pid of inData) {
    const [title = ''] = (await readCommand(pid)) ?? [];
    const found = await readProcess(pid);
    if (title.startsWith('postgres: ') && found && !inData.has(found.parent)) orphans.push(pid);
  }
  return orphans;
}

/** Postmasters stay in their data directory and name it on their command line; other users' folders cannot be read, but their command lines can. */
async function isPostmaster(pid: number, data: string): Promise<boolean> {
  if (!(await isAlive(pid))) return false;
  const command = await readCommand(pid);
  return command === undefined || command.includes(data);
}

async function readText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}
