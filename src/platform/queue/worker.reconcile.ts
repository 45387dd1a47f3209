import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, PgBoss } from 'pg-boss';
import { transact } from '../database/retry.ts';
import type { Worker } from './queue.ts';
import { heartbeatSeconds, polling, reconcileQueue, timerQueue } from './settings.ts';
import { runTurn, type TurnContext, type TurnJob } from './turn.reconcile.ts';
import { fireTimer } from './job.store.ts';

interface Keyed {
  readonly key: string;
}

type WorkerContext = Omit<TurnContext, 'stopping' | 'timerSet'>;

/** Fetches and runs until stopped. */
export async function startWorker(context: WorkerContext): Promise<Worker> {
  const { boss, reconciler } = context;
  const stopped = new AbortController();
  const aborted = new AbortController();
  const inFlight = new Set<TurnJob>();
  const timers = await startTimers(context);
  const turnContext: TurnContext = { ...context, stopping: () => stopped.signal.aborted, timerSet: (at) => timers.set(at) };

  async function runJob(job: Job<Keyed>): Promise<void> {
    const turnJob: TurnJob = {
      key: job.data.key,
      claim: { jobId: job.id, retryCount: job.retryCount },
      signal: AbortSignal.any([job.signal, aborted.signal]),
    };
    inFlight.add(turnJob);
    try {
      await runTurn(turnContext, turnJob);
    } finally {
      inFlight.delete(turnJob);
    }
  }

  const slots = await Promise.all(
    // The beat of the turn is the one that counts; that of pg-boss, which cannot be switched off, only comes now and then.
    Array.from({ length: reconciler.concurrency }, () =>
      startSlot(boss, reconcileQueue, { refreshSeconds: heartbeatSeconds - 1, run: runJob }),
    ),
  );

  return {
    async stop({ graceMs }) {
      stopped.abort();
      await timers.stop();
      const ended = Promise.all(slots.map((id) => boss.offWork(reconcileQueue, { id, wait: true })));
      const inTime = await Promise.race([ended.then(() => true), sleep(graceMs, false, { ref: false })]);
      if (inTime) return;
      context.log.warn({ keys: [...inFlight].map(({ key }) => key) }, 'these keys did not end in time; they are handed over');
      await handOver(boss, [...inFlight]);
      aborted.abort(new Error('the worker stops'));
    },
  };
}

/** Fails the claims first, so that whatever the aborted steps still try is refused by their guards. */
async function handOver(boss: PgBoss, jobs: readonly TurnJob[]): Promise<void> {
  if (jobs.length === 0) return;
  const claims = jobs.map(({ claim }) => ({ id: claim.jobId, retryCount: claim.retryCount }));
  // Should the database be away, the missing heartbeat says the same a little later.
  await boss.fail(reconcileQueue, claims, { message: 'the worker stopped' }).catch(() => {});
}

interface Timers {
  set(at: Date): void;
  stop(): Promise<void>;
}

async function startTimers(context: WorkerContext): Promise<Timers> {
  const { boss, db } = context;
  const nudges = new Set<NodeJS.Timeout>();
  const id = await startSlot(boss, timerQueue, {
    refreshSeconds: heartbeatSeconds / 2,
    run: (job) => transact(db, (tx) => fireTimer(boss, tx, { key: job.data.key, claim: { jobId: job.id, retryCount: job.retryCount } })),
  });
  return {
    /** Whoever set a near timer looks in time instead of at the next poll; should this process be gone, the poll does it. */
    set(at) {
      const inMs = at.getTime() - Date.now();
      if (inMs > 60_000) return;
      const nudge = setTimeout(
        () => {
          nudges.delete(nudge);
          boss.notifyWorker(id);
        },
        Math.max(0, inMs) + 2,
      );
      nudges.add(nudge);
    },
    async stop() {
      for (const nudge of nudges) clearTimeout(nudge);
      nudges.clear();
      await boss.offWork(timerQueue, { id, wait: true });
    },
  };
}

/**
 * One fetcher that runs one job at a time. After a short job pg-boss sits out the rest of its poll interval, even when more jobs
 * are queued (0.5 s a job: two jobs a second); so it is told to look again after every job.
 */
async function startSlot(
  boss: PgBoss,
  queue: string,
  slot: { refreshSeconds: number; run(job: Job<Keyed>): Promise<void> },
): Promise<string> {
  const own: { id?: string } = {};
  own.id = await boss.work<Keyed>(queue, { ...polling, heartbeatRefreshSeconds: slot.refreshSeconds }, async ([job]) => {
    try {
      if (job) await slot.run(job);
    } finally {
      if (own.id !== undefined) boss.notifyWorker(own.id);
    }
  });
  return own.id;
}
