import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { signal } from '../src/platform/processes/process-table.ts';

interface Process {
  readonly pid: number;
  readonly session: number;
  readonly folder: string;
  readonly command: string;
  readonly environment: string;
}

/** Names of the host's instances whose folders processes run in, one mention a session: what really runs, whatever the host believes. */
export async function listInstanceProcesses(home: string): Promise<readonly string[]> {
  const running = (await listProcesses()).filter(
    ({ folder }) => dirname(folder).endsWith(`${basename(home)}/host/instances`) && folder.startsWith(home),
  );
  const groups = new Map(running.map(({ session, folder }) => [`${session} ${folder}`, decodeURIComponent(basename(folder))]));
  return [...groups.values()];
}

/** SIGKILL to each process that lives in this folder, by its number. Linux only. */
export async function endProcessesIn(folder: string): Promise<number> {
  const left = await listProcessesIn(folder);
  for (const { pid } of left) signal(pid, 'SIGKILL');
  return left.length;
}

/** Those that run in it, were started with a path in it, or have their home in it. */
export async function listProcessesIn(folder: string): Promise<readonly Process[]> {
  const livesThere = ({ pid, folder: cwd, command, environment }: Process): boolean =>
    pid !== process.pid && (isIn(cwd, folder) || command.includes(`${folder}/`) || environment.includes(`TIDEGATE_HOME=${folder}/`));
  return (await listProcesses()).filter(livesThere);
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

async function listProcesses(): Promise<readonly Process[]> {
  const names = await readdir('/proc').catch(() => []);
  const found = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((name) => readProcess(Number(name))));
  return found.filter((each) => each !== undefined);
}

async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const [stat, command, environment, folder] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
      readFile(`/proc/${pid}/environ`, 'utf8'),
      readlink(`/proc/${pid}/cwd`),
    ]);
    // The name in parentheses may hold spaces; what follows the last one is fixed: state, parent, group, session.
    const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : { pid, session: Number(session), folder, command, environment };
  } catch {
    return undefined; // gone meanwhile
  }
}
