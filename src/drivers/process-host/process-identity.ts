import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

/** A process number is given to another process sooner or later; together with its start time it never is. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Boot id and clock ticks since boot (Linux), or what `ps` says elsewhere. */
  readonly startedAt: string;
}

const bootId = readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
  (text) => text.trim(),
  () => '',
);

/** Undefined when there is no such process, or only its remains (a zombie nobody has reaped). */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  if (process.platform !== 'linux') return identifyByPs(pid);
  const stat = await readStat(pid);
  return stat && stat.state !== 'Z' && stat.state !== 'X' ? { pid, startedAt: `${await bootId}:${stat.startTicks}` } : undefined;
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.startedAt === identity.startedAt;
}

/**
 * The leader of a session that runs in `directory`: a process we started and were killed before we could write down.
 * Linux only; the folder is of this one instance, so nobody else works in it by accident.
 */
export async function findSessionLeaderIn(directory: string): Promise<ProcessIdentity | undefined> {
  for (const pid of await listPids()) {
    const stat = await readStat(pid);
    if (stat?.session !== pid) continue;
    if ((await readlink(`/proc/${pid}/cwd`).catch(() => '')) === directory) return identify(pid);
  }
  return undefined;
}

/** What is left of a session: children that outlived their leader. */
export async function listSession(session: number): Promise<readonly ProcessIdentity[]> {
  const found: ProcessIdentity[] = [];
  for (const pid of await listPids()) {
    const stat = await readStat(pid);
    const identity = stat?.session === session ? await identify(pid) : undefined;
    if (identity) found.push(identity);
  }
  return found;
}

async function listPids(): Promise<readonly number[]> {
  if (process.platform !== 'linux') return [];
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

interface Stat {
  readonly state: string;
  readonly session: number;
  readonly startTicks: string;
}

/** proc(5): the command is in parentheses and may hold anything, so fields are counted from the last one. */
async function readStat(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  if (!fields) return undefined;
  return { state: fields[0] ?? '', session: Number(fields[3]), startTicks: fields[19] ?? '' };
}

async function identifyByPs(pid: number): Promise<ProcessIdentity | undefined> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
    const [state = '', ...start] = stdout.trim().split(/\s+/);
    return state === '' || state.startsWith('Z') ? undefined : { pid, startedAt: start.join(' ') };
  } catch {
    return undefined;
  }
}
