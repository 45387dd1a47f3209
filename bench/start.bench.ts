import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { median, withScratchHome } from './scratch-home.ts';

const program = join(import.meta.dirname, '../src/start.ts');
const starts = 3;

/**
 * From the spawn of `npm start`'s program to its ready line, with nothing of it running before. `start.first_ready_ms`: on
 * an empty home, which makes the database; once, because a home is empty once. `start.ready_ms`: on that home afterwards,
 * median of three; PostgreSQL, router, host, server and worker all start anew.
 */
export async function startBench(report: (name: string, value: number) => void): Promise<void> {
  await withScratchHome(async (home) => {
    report('start.first_ready_ms', await startOnce(home));
    const times: number[] = [];
    for (let i = 0; i < starts; i++) times.push(await startOnce(home));
    report('start.ready_ms', median(times));
  });
}

async function startOnce(home: string): Promise<number> {
  const env = { ...process.env, TIDEGATE_HOME: home, DATABASE_URL: '', PORT: '0' };
  const from = performance.now();
  const child = spawn(process.execPath, [program, '--stop-all'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  try {
    const ready = Promise.withResolvers<number>();
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
      if (said.includes('"ready":true')) ready.resolve(performance.now() - from);
    });
    void closed.then(() => ready.reject(new Error(`expected the platform to become ready, it ended: ${said}`)));
    return await ready.promise;
  } finally {
    child.kill('SIGTERM');
    await closed;
  }
}
