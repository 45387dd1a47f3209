import { setTimeout as sleep } from 'node:timers/promises';
import { connectDatabase } from '../../src/platform/database/connect.ts';
import { Fault } from '../../src/platform/fault.ts';
import { type Lease, type QueueLog, startQueue } from '../../src/platform/queue/index.ts';
import { leanStep, reconciler, worldStep } from './reconcile.ts';

/**
 * A worker as a process of its own, for tests and benchmarks: `node reconcile-worker.process.ts '{"databaseUrl":…}'`. Says on
 * standard output, a JSON line each, when it is ready, what it begins, and what was refused. SIGTERM stops it.
 */
export interface WorkerSettings {
  readonly databaseUrl: string;
  readonly concurrency?: number;
  /** How long an action takes; it ignores the lease's signal on purpose, as bad code would. */
  readonly actMs?: number;
  /** Prints no line per action. */
  readonly quiet?: boolean;
  /** For benchmarks: actions without a trace. */
  readonly lean?: boolean;
  /** For benchmarks: prints when each step begins, on the machine's monotonic clock. */
  readonly timed?: boolean;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as WorkerSettings;
const db = connectDatabase(settings.databaseUrl, { applicationName: 'reconcile worker' });

function say(event: string, facts: object = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}

const log: QueueLog = {
  info: (facts, sentence) => settings.quiet || say('log', { level: 'info', sentence, facts }),
  warn: (facts, sentence) => say('log', { level: 'warn', sentence, facts }),
  error: (facts, sentence) => say('log', { level: 'error', sentence, facts }),
};

async function act(lease: Lease): Promise<void> {
  if (!settings.quiet) say('act', { key: lease.key, token: lease.token });
  if (settings.actMs) await sleep(settings.actMs);
}

const step = settings.lean ? leanStep(db) : worldStep(db, act);
const queue = await startQueue({ databaseUrl: settings.databaseUrl, db, applicationName: 'reconcile worker', log });
const worker = await queue.work(
  reconciler({
    concurrency: settings.concurrency ?? 2,
    step: async (lease) => {
      if (settings.timed) say('step', { key: lease.key, atMs: Number(process.hrtime.bigint()) / 1e6 });
      try {
        return await step(lease);
      } catch (error) {
        say('refused', {
          key: lease.key,
          token: lease.token,
          aborted: lease.signal.aborted,
          code: error instanceof Fault ? error.code : String(error),
        });
        throw error;
      }
    },
  }),
);
say('ready', { pid: process.pid });

process.once('SIGTERM', () => {
  void (async () => {
    await worker.stop({ graceMs: 2_000 });
    await queue.stop();
    await db.destroy();
  })();
});
