import { mkdir, readFile, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Folders builds work in. Each names its owner, so that what a killed process left is told from what a running one uses,
 * also when process ids come round again, and when workers in several containers share one disk.
 */
const ownerFile = '.tidegate-build-owner';

/** An empty folder of our own; what was there under this name goes. */
export async function claimScratch(scratch: string): Promise<void> {
  await removeScratch(scratch);
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  await writeFile(join(scratch, ownerFile), JSON.stringify(await describeProcess('self')));
}

export async function removeScratch(scratch: string): Promise<void> {
  await rm(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Removes the siblings of this folder whose owner is gone. A folder that names no owner is not ours and stays. */
export async function sweepScratch(scratch: string): Promise<void> {
  const folder = dirname(scratch);
  for (const name of await readdir(folder).catch(() => [] as string[])) {
    if (await isAbandoned(join(folder, name))) await removeScratch(join(folder, name));
  }
}

interface Owner {
  readonly pid: string;
  /** Since boot, in clock ticks; with the pid it names one process for ever. */
  readonly started: string;
  /** The pid namespace: elsewhere the pid means another process. */
  readonly namespace: string;
}

async function isAbandoned(path: string): Promise<boolean> {
  const owner = await readFile(join(path, ownerFile), 'utf8').then(
    (text) => JSON.parse(text) as Owner,
    () => undefined,
  );
  if (owner === undefined) return false;
  const us = await describeProcess('self');
  if (us.namespace !== owner.namespace) return false;
  const them = await describeProcess(owner.pid);
  return them.started !== owner.started;
}

/** Without /proc (not Linux) every process looks alike, and nothing is swept. */
async function describeProcess(pid: string): Promise<Owner> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold anything; the fields after it are plain. 20 further on is the start time (proc(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const namespace = await readlink('/proc/self/ns/pid').catch(() => 'unknown');
  return { pid: text === '' ? pid : (text.split(' ')[0] ?? pid), started: fields[19] ?? '', namespace };
}
