import type { ConstructorOptions, Queue, WorkOptions } from 'pg-boss';

/** How reconcile, wake and timer map on pg-boss; each number has its reason. */
export const reconcileQueue = 'reconcile';
export const timerQueue = 'timer';
/** The one schema of pg-boss; `lease.store.ts` reads `job` in it. */
export const bossSchema = 'pgboss';

export const heartbeatSeconds = 10;
/** Four beats before a claim counts as lost. */
export const beatEveryMs = 2_500;
/** One key may not keep a worker to itself. */
export const turn = { steps: 100, ms: 30_000 } as const;

const shared = {
  // One queued, one retrying and one active job a key.
  policy: 'stately',
  notify: true,
  // A killed worker is noticed by its missing heartbeat (off by default) at the next monitor pass.
  heartbeatSeconds,
  // Only what the process cannot tell by itself (killed, stopped, database away) is retried here; a key's own failures have
  // their back-off in its row, because a wake makes a waiting job due at once.
  retryLimit: 1_000,
  retryDelay: 1,
  retryBackoff: true,
  // Not more: the fifth kill in a row of one key is still taken over within 30 s (10 s heartbeat, up to 10 s monitor, this).
  retryDelayMax: 8,
  // How long one turn may take at most, a slow step included; after that its claim is lost.
  expireInSeconds: 4 * 3_600,
  // A timer may be set this far ahead; the default of 14 days would delete it.
  retentionSeconds: 300 * 86_400,
  // State lives in our rows: a completed job is only weight in the table that is scanned by the monitor every five seconds.
  deleteAfterSeconds: 600,
} as const satisfies Omit<Queue, 'name'>;

export const queues = [
  { name: reconcileQueue, ...shared },
  { name: timerQueue, ...shared },
] as const;

/** Without `notifyPollingIntervalSeconds` an active listener would relax polling to 30 s: a lost NOTIFY would cost that much. */
export const polling = { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 } as const satisfies WorkOptions;

/** Seen by pg, unknown to pg-boss' type: a connection that is cut without a word must not hold a slot for hours. */
const connection = { keepAlive: true, query_timeout: 60_000 } as const;

export function bossOptions(databaseUrl: string, applicationName: string): ConstructorOptions {
  return {
    ...connection,
    connectionString: databaseUrl,
    application_name: applicationName,
    schema: bossSchema,
    max: 5,
    // What pg-boss writes through its own pool (a fetch, a heartbeat, the end of a job with nothing to store) may be lost in a
    // crash of the database: the job runs once more. Whatever must last goes through `db`, and its flush carries what came before.
    options: '-c synchronous_commit=off',
    // LISTEN needs a session connection: no transaction pooling in between.
    useListenNotify: true,
    schedule: false,
    supervise: true,
    // Default 60: a killed worker's keys would wait a minute longer.
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
    maintenanceIntervalSeconds: 300,
  };
}
