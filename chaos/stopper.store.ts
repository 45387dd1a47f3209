import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database } from '../src/platform/database/database.ts';
import { isAlive, readProcess, signal } from '../src/platform/processes/process-table.ts';
import type { StoppedWorker } from './evidence.ts';
import { pidOf } from './killer.ts';
import { patiently, until } from './patience.ts';
import type { Victim } from './plan.ts';
import type { Stage } from './stage.ts';

export interface StopperOptions {
  readonly stage: Stage;
  /** Gets the worker while it is stopped. */
  readonly spared: Set<Victim>;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

interface HeldKey {
  readonly key: string;
  readonly token: number;
  readonly holder: string;
}

const workers = ['worker', 'worker-2'] as const satisfies readonly Victim[];
/** A turn lasts tens of milliseconds most of the time: many are missed before one is caught in the middle. */
const catchWithinMs = 120_000;
/** Heartbeat 10 s, monitor 5 s, retry up to 8 s, a transaction left open 30 s; and kills of the other worker meanwhile. */
const takenOverWithinMs = 180_000;
/** Long enough for what it was about to do when it was stopped. */
const awakeForMs = 4_000;

/**
 * SIGSTOP to a worker in the middle of a turn, SIGCONT once another one has taken its key. Undefined when none could be
 * caught. What it did after that is in the evidence.
 */
export async function stopLeaseHolder(options: StopperOptions): Promise<StoppedWorker | undefined> {
  const { stage, spared, say } = options;
  const db = stage.connect();
  try {
    const caught = await until(() => patiently(() => catchOne(db, options), options.signal), {
      withinMs: catchWithinMs,
      everyMs: 5,
      signal: options.signal,
    });
    if (!caught) return undefined;
    const { worker, pid, held } = caught;
    const stoppedAt = Date.now();
    say(`stop ${worker} (${pid}) with token ${held.token} of ${held.key}`);
    try {
      const takenOver = await until(() => patiently(() => findSuccessor(db, held), options.signal), {
        withinMs: takenOverWithinMs,
        everyMs: 100,
        signal: options.signal,
      });
      // The successor gets some steps ahead, so that what the sleeper wakes up to is another world.
      await sleep(2_000);
      const continuedAt = Date.now();
      signal(pid, 'SIGCONT');
      say(
        `${worker} goes on; ${takenOver ? `token ${takenOver.token} took over` : 'nobody took over'} after ${continuedAt - stoppedAt} ms`,
      );
      await sleep(awakeForMs);
      const { key, token } = held;
      return { worker, writer: `tidegate worker ${pid}`, key, token, stoppedAt, takenOver, continuedAt, wokeUp: await isAlive(pid) };
    } finally {
      signal(pid, 'SIGCONT');
      spared.delete(worker);
    }
  } finally {
    await db.destroy();
  }
}

interface Caught {
  readonly worker: Victim;
  readonly pid: number;
  readonly held: HeldKey;
}

/** Stops first and looks then: only who still holds the key once it is stopped was caught. */
async function catchOne(db: Database, { stage, spared }: StopperOptions): Promise<Caught | undefined> {
  for (const held of await listHeld(db)) {
    const worker = workers.find((name) => held.holder.startsWith(`tidegate worker ${pidOf(stage.platform, name)} `));
    const pid = worker && pidOf(stage.platform, worker);
    if (!worker || pid === undefined) continue;
    spared.add(worker);
    signal(pid, 'SIGSTOP');
    // What it had sent by then may still be carried out.
    await sleep(100);
    const still = (await listHeld(db).catch(() => [])).find(({ key, token }) => key === held.key && token === held.token);
    // One that was killed a moment ago still looks like a holder; it will not wake up.
    const isStopped = (await readProcess(pid))?.state === 'T';
    if (still && isStopped) return { worker, pid, held };
    signal(pid, 'SIGCONT');
    spared.delete(worker);
  }
  return undefined;
}

async function listHeld(db: Database): Promise<readonly HeldKey[]> {
  const { rows } = await sql<HeldKey>`
    select l.key, l.token, l.holder from reconcile_lease l join pgboss.job j
      on j.name = 'reconcile' and j.id = l.job_id and j.retry_count = l.retry_count and j.state = 'active'
    where l.holder is not null`.execute(db);
  return rows;
}

async function findSuccessor(db: Database, held: HeldKey): Promise<StoppedWorker['takenOver']> {
  const { rows } =
    await sql<HeldKey>`select key, token, holder from reconcile_lease where key = ${held.key} and token > ${held.token}`.execute(db);
  return rows[0] && { token: rows[0].token, holder: rows[0].holder, at: Date.now() };
}
