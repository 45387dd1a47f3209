import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { WorkerSettings } from './reconcile-worker.process.ts';

/** A line that a worker process wrote. */
interface Said {
  readonly event: 'ready' | 'step' | 'act' | 'refused' | 'log';
  readonly key?: string;
  readonly token?: number;
  readonly code?: string;
  readonly sentence?: string;
  /** Of the machine's monotonic clock, which all its processes share. */
  readonly atMs?: number;
}

export interface LiveWorker {
  readonly child: ChildProcessByStdio<null, Readable, null>;
  readonly said: readonly Said[];
  acts(key: string): readonly Said[];
  /** SIGTERM, and SIGKILL when that does not help within ten seconds; also for one that is stopped or dead already. */
  end(): Promise<void>;
}

/** A worker in a process of its own; resolves when it works. */
export async function startLiveWorker(settings: WorkerSettings): Promise<LiveWorker> {
  const script = join(import.meta.dirname, 'reconcile-worker.process.ts');
  const child = spawn(process.execPath, [script, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: Said[] = [];
  const ready = Promise.withResolvers<void>();
  createInterface(child.stdout).on('line', (line) => {
    const heard = JSON.parse(line) as Said;
    said.push(heard);
    if (heard.event === 'ready') ready.resolve();
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code) => {
      ready.reject(new Error(`expected a worker that works, got exit status ${code}`));
      resolve();
    });
  });
  await ready.promise;
  return {
    child,
    said,
    acts: (key) => said.filter((each) => each.event === 'act' && each.key === key),
    async end() {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const deadline = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(deadline);
    },
  };
}
