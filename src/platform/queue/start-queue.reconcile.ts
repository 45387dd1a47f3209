import { hostname } from 'node:os';
import { sql } from 'kysely';
import { PgBoss } from 'pg-boss';
import type { Database } from '../database/database.ts';
import { asDatabaseFault } from '../database/faults.ts';
import { Fault } from '../fault.ts';
import { findStanding } from './lease.store.ts';
import { startOutageLog } from './outage.reconcile.ts';
import type { Queue, QueueLog, Worker } from './queue.ts';
import { bossOptions, queues } from './settings.ts';
import { armTimer, wakeKeys } from './job.store.ts';
import { startWorker } from './worker.reconcile.ts';

interface QueueOptions {
  /** A session connection: the queue listens. No transaction pooler in between. */
  readonly databaseUrl: string;
  /** The same database; every write of the queue but pg-boss' own goes through it. */
  readonly db: Database;
  readonly applicationName: string;
  readonly log: QueueLog;
}

/**
 * Connects, makes the schema of pg-boss and the two queues on the first start. Safe with many processes at once. Every process
 * that is connected also watches for killed workers. Faults: `database.*` when the database does not answer.
 */
export async function startQueue(options: QueueOptions): Promise<Queue> {
  const { db, log, applicationName } = options;
  const boss = new PgBoss(bossOptions(options.databaseUrl, applicationName));
  const outage = startOutageLog(log, () => sql`select 1`.execute(db));
  boss.on('error', (error) => outage.report(error));
  boss.on('warning', (warning) => log.warn({ warning: warning.message }, 'the queue warns'));
  await openQueues(boss).catch(async (error: unknown) => {
    outage.stop();
    await boss.stop({ graceful: false }).catch(() => {});
    throw asDatabaseFault(error);
  });

  let worker: Promise<Worker> | undefined;
  return {
    wake: (tx, keys) => wakeKeys(boss, tx, keys),
    wakeAt: async (tx, key, at) => {
      await armTimer(boss, tx, key, at);
    },
    work(reconciler) {
      if (worker) throw alreadyWorking();
      worker = startWorker({ boss, db, log, reconciler, holder: `${applicationName} ${process.pid} on ${hostname()}` });
      return worker;
    },
    findStanding: (key) => findStanding(db, key),
    async stop() {
      await (await worker)?.stop({ graceMs: 5_000 });
      outage.stop();
      await boss.stop({ graceful: true, timeout: 1_000 });
    },
  };
}

async function openQueues(boss: PgBoss): Promise<void> {
  await boss.start();
  for (const { name, ...settings } of queues) {
    const { policy, ...changeable } = settings;
    await boss.createQueue(name, settings);
    // A later version of Tidegate may have other numbers; the policy cannot change.
    const known = await boss.getQueue(name);
    if (known && Object.entries(changeable).some(([setting, value]) => known[setting as keyof typeof known] !== value)) {
      await boss.updateQueue(name, changeable);
    }
    if (known && known.policy !== policy) throw wrongPolicy(name, known.policy);
  }
}

function alreadyWorking(): Fault {
  return new Fault({ code: 'queue.already-working', message: 'expected one reconciler a process, got a second call of work()' });
}

function wrongPolicy(name: string, policy: string | undefined): Fault {
  return new Fault({
    code: 'queue.wrong-policy',
    message: `expected queue ${name} to have the policy stately, got ${policy}`,
    remedy: 'it was not made by Tidegate: use a database of its own',
  });
}
