import { Fault } from '../platform/fault.ts';
import type { Reader, Transaction } from '../platform/database/database.ts';
import type { Reason } from '../platform/decision.ts';
import type { PersonRequest } from './deployment.ts';
import type { ReleaseRun, RunState } from './release-run.ts';
import { runTransitions } from './release-run.ts';

type StoredRequest = { readonly by: string; readonly reason: string; readonly at: string };

type RunRow = {
  readonly release: string;
  readonly application: string;
  readonly state: RunState;
  readonly pipeline_name: string;
  readonly pipeline_version: number;
  readonly rollback_request: string | StoredRequest | null;
  readonly cancel_request: string | StoredRequest | null;
  readonly reason: string | Reason | null;
  readonly finished_at: Date | null;
  /** Of the release: lists of one state are ordered by it. */
  readonly created_at: Date;
};

type Tables = {
  release_run: RunRow;
};

export async function saveNewRun(
  tx: Transaction,
  run: { readonly release: string; readonly application: string; readonly createdAt: Date; readonly pipeline: ReleaseRun['pipeline'] },
): Promise<void> {
  await tx
    .withTables<Tables>()
    .insertInto('release_run')
    .values({
      release: run.release,
      application: run.application,
      state: 'active',
      pipeline_name: run.pipeline.name,
      pipeline_version: run.pipeline.version,
      rollback_request: null,
      cancel_request: null,
      reason: null,
      finished_at: null,
      created_at: run.createdAt,
    })
    .execute();
}

/** With `lock`, the row is held until the transaction ends. */
export async function findRun(reader: Reader, release: string, options: { readonly lock?: boolean } = {}): Promise<ReleaseRun | undefined> {
  const query = reader.withTables<Tables>().selectFrom('release_run').selectAll().where('release', '=', release);
  const row = await (options.lock ? query.forUpdate() : query).executeTakeFirst();
  return row && toRun(row);
}

/** Ids of the runs that have not ended, of one application or of all. */
export async function listRunsUnderWay(reader: Reader, application?: string): Promise<readonly string[]> {
  const query = reader.withTables<Tables>().selectFrom('release_run').select('release').where('state', 'in', ['active', 'rolling-back']);
  const rows = await (application === undefined ? query : query.where('application', '=', application)).execute();
  return rows.map((r) => r.release);
}

/** Fault `run.moved` (retryable) when the run is no longer in the state the caller saw. */
export async function moveRun(
  tx: Transaction,
  run: ReleaseRun,
  change: { readonly state: RunState; readonly reason?: Reason; readonly at: Date },
): Promise<void> {
  if (!(runTransitions[run.state] as readonly RunState[]).includes(change.state)) {
    throw new Fault({ code: 'run.transition', message: `expected a state that may follow ${run.state}, got ${change.state}` });
  }
  const moved = await tx
    .withTables<Tables>()
    .updateTable('release_run')
    .set({
      state: change.state,
      ...(change.reason === undefined ? {} : { reason: JSON.stringify(change.reason) }),
      finished_at: change.state === 'rolling-back' ? null : change.at,
    })
    .where('release', '=', run.release)
    .where('state', '=', run.state)
    .executeTakeFirst();
  if (Number(moved.numUpdatedRows) !== 1)
    throw new Fault({
      code: 'run.moved',
      status: 409,
      retryable: true,
      message: `expected ${run.release} to be ${run.state}; it has moved on`,
    });
}

/** The first request of a kind stays: asking twice is asking once. */
export async function saveRequest(tx: Transaction, release: string, kind: 'rollback' | 'cancel', request: PersonRequest): Promise<void> {
  const value = JSON.stringify({ by: request.by, reason: request.reason, at: request.at.toISOString() });
  const column = kind === 'rollback' ? 'rollback_request' : 'cancel_request';
  await tx
    .withTables<Tables>()
    .updateTable('release_run')
    .set({ [column]: value })
    .where('release', '=', release)
    .where(column, 'is', null)
    .execute();
}

function toRun(row: RunRow): ReleaseRun {
  return {
    release: row.release,
    state: row.state,
    pipeline: { name: row.pipeline_name, version: row.pipeline_version },
    ...(row.rollback_request === null ? {} : { rollbackRequest: toRequest(row.rollback_request as StoredRequest) }),
    ...(row.cancel_request === null ? {} : { cancelRequest: toRequest(row.cancel_request as StoredRequest) }),
    ...(row.reason === null ? {} : { reason: row.reason as Reason }),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  };
}

function toRequest(stored: StoredRequest): PersonRequest {
  return { by: stored.by, reason: stored.reason, at: new Date(stored.at) };
}
