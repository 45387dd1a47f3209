import { readFile, rename, writeFile } from 'node:fs/promises';
import { isAlive, isGoneWithin, readCommand, signal } from './process-table.ts';

/** What a process said when it was ready. */
export type ReadyLine = Readonly<Record<string, unknown>>;

/** SIGTERM, then SIGKILL after `graceMs`. */
export async function endProcess(pid: number, graceMs: number): Promise<void> {
  signal(pid, 'SIGTERM');
  if (await isGoneWithin(pid, graceMs)) return;
  signal(pid, 'SIGKILL');
  await isGoneWithin(pid, 5_000);
}

/** A number may have been given to another process since; its command line tells. */
export async function isRunning(pid: number, file: string): Promise<boolean> {
  if (!(await isAlive(pid))) return false;
  const command = await readCommand(pid);
  return command === undefined || command.includes(file);
}

/** Written down for whoever supervises next. */
export interface ProcessRecord {
  readonly pid: number;
  /** Its main: a number may have been given to another process since. */
  readonly file: string;
  /** Absent until it was ready. */
  readonly ready?: ReadyLine;
}

export async function readRecord(file: string): Promise<ProcessRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as ProcessRecord;
    return Number.isInteger(record.pid) && record.pid > 1 ? record : undefined;
  } catch {
    return undefined;
  }
}

export async function writeRecord(file: string, record: ProcessRecord): Promise<void> {
  const half = `${file}.${process.pid}`;
  await writeFile(half, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  await rename(half, file);
}
