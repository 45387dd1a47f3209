import { readFile, readdir, readlink, stat } from 'node:fs/promises';

/**
 * A process that calls setsid(2) leaves the group that is killed at the end of a build, and a build outlives a worker
 * that was killed with -9. Both still carry the environment they were started with, so they are found by that (Linux;
 * elsewhere nothing is found). A process that rewrites its environment escapes: this is tidiness, not isolation.
 */
export const marker = 'TIDEGATE_BUILD';

/** Kills every process of the build in this directory, until none is left. */
export async function killBuild(directory: string): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    const found = (await buildProcesses()).filter((process) => process.directory === directory);
    if (found.length === 0) return;
    for (const { pid } of found) kill(pid);
  }
}

/** Kills the processes of builds whose directory is gone: their worker died, and another has cleaned up after it. */
export async function killAbandonedBuilds(): Promise<void> {
  for (const { pid, directory } of await buildProcesses()) {
    const there = await stat(directory).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
    if (!there) kill(pid);
  }
}

async function buildProcesses(): Promise<readonly { readonly pid: number; readonly directory: string }[]> {
  const names = await readdir('/proc').catch(() => [] as string[]);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      const entry = environment.split('\0').find((line) => line.startsWith(`${marker}=`));
      if (entry === undefined || pid === process.pid || !(await sharesOurFiles(pid))) return [];
      return [{ pid, directory: Buffer.from(entry.slice(marker.length + 1), 'latin1').toString('utf8') }];
    }),
  );
  return found.flat();
}

/** In another container the same path is another folder. */
async function sharesOurFiles(pid: number): Promise<boolean> {
  const [theirs, ours] = await Promise.all([
    readlink(`/proc/${pid}/ns/mnt`).catch(() => ''),
    readlink('/proc/self/ns/mnt').catch(() => '-'),
  ]);
  return theirs === ours;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
