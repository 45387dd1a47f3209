import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** False for a zombie: where process 1 reaps nobody (many containers), a killed process keeps its number. */
export async function isAlive(pid: number): Promise<boolean> {
  if (!signal(pid, 0)) return false;
  const found = await readProcess(pid);
  return found === undefined || (found.state !== 'Z' && found.state !== 'X');
}

/** True when the process exists, ours or not. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  // 0 and negative numbers would address whole groups.
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, name);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export async function isGoneWithin(pid: number, ms: number): Promise<boolean> {
  const giveUpAt = performance.now() + ms;
  while (await isAlive(pid)) {
    if (performance.now() > giveUpAt) return false;
    await sleep(20);
  }
  return true;
}

/** Undefined where there is no /proc, or no such process. */
export async function readProcess(pid: number): Promise<{ readonly state: string; readonly parent: number } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name in parentheses may hold spaces; what follows the last one is fixed.
  const [state, parent] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === undefined || parent === undefined ? undefined : { state, parent: Number(parent) };
}

/** The words a process was started with; undefined where there is no /proc, or no such process. */
export async function readCommand(pid: number): Promise<readonly string[] | undefined> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : text.split('\0');
}
