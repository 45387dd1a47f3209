import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopEverything } from '../src/platform/processes/stop-everything.ts';

/** Gives `work` a folder of its own for a platform, then ends every process of it and removes it; on Ctrl-C as well. */
export async function withScratchHome<T>(work: (home: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'tidegate-bench-'));
  // PostgreSQL, which refuses to run as root, must be able to walk through.
  await chmod(home, 0o711);
  return cleaningUp(
    async () => {
      await stopEverything(home);
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
    () => work(home),
  );
}

const cleanUps = new Set<() => Promise<void>>();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    void Promise.allSettled([...cleanUps].map((cleanUp) => cleanUp())).then(() => process.exit(130));
  });
}

/** Does `cleanUp` after `work`, however it ends, also when the whole run is interrupted. */
export async function cleaningUp<T>(cleanUp: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  let cleaned: Promise<void> | undefined;
  const once = (): Promise<void> => (cleaned ??= cleanUp());
  cleanUps.add(once);
  try {
    return await work();
  } finally {
    await once();
    cleanUps.delete(once);
  }
}

/** Below the range that outgoing connections take theirs from, so that it is still free a moment later. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer().once('error', () => resolve(false));
  probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  return promise;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] =
    sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : [sorted[middle - 1], sorted[middle]];
  return (low + high) / 2;
}
