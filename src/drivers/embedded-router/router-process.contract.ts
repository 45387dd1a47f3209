import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectRouter, type RouterConnection } from './router-client.ts';

export interface RouterProcess {
  readonly home: string;
  readonly router: RouterConnection;
  readonly child: () => ChildProcess;
  /** kill -9, and a new process on the same home. */
  crash(): Promise<void>;
  close(): Promise<void>;
}

/** A real router process on a home of its own, for tests and benchmarks. */
export async function startRouterProcess(env: Readonly<Record<string, string>> = {}): Promise<RouterProcess> {
  const home = await mkdtemp(join(tmpdir(), 'tg-router-'));
  let child = await spawnRouter(home, env);
  const router = connectRouter(join(home, 'run/router.sock'));
  return {
    home,
    router,
    child: () => child,
    async crash() {
      await end(child, 'SIGKILL');
      child = await spawnRouter(home, env);
    },
    async close() {
      router.close();
      await end(child, 'SIGKILL');
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Resolves when the process says that it is ready; rejects with what it printed when it ends before. */
export async function spawnRouter(home: string, env: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
  const main = fileURLToPath(new URL('router.process.ts', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, ...env, TIDEGATE_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr?.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (data: Buffer) => {
      if (data.toString().includes('"ready":true')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`expected a router, got exit ${code}: ${errors}`)));
  });
  return child;
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => void child.once('exit', resolve));
  child.kill(signal);
  await gone;
}
