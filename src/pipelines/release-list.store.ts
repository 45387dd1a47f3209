import type { Reader } from '../platform/database/database.ts';
import type { Reason } from '../platform/decision.ts';
import type { RunState } from './release-run.ts';

type Tables = {
  release: {
    readonly id: string;
    readonly application: string;
    readonly version: string;
    readonly tag: string;
    readonly commit: string;
    readonly signer: string;
    readonly created_by: string;
    readonly created_at: Date;
  };
  release_run: {
    readonly release: string;
    readonly application: string;
    readonly state: RunState;
    readonly reason: Reason | null;
    readonly created_at: Date;
  };
  lane: {
    readonly application: string;
    readonly environment: string;
    readonly holder: string | null;
    readonly live_deployment: string | null;
  };
  deployment: { readonly id: string; readonly runs_release: string; readonly finished_at: Date | null };
};

export interface ReleaseFilter {
  readonly application?: string | undefined;
  readonly state?: RunState | undefined;
  /** Releases strictly older than this one. */
  readonly before?: { readonly createdAt: Date; readonly id: string } | undefined;
  readonly limit: number;
}

/**
 * Newest first, each page by an index whatever is filtered by: the release's times, or the run's where a state is named
 * (the run keeps the time beside its state for this).
 */
export async function listReleases(reader: Reader, filter: ReleaseFilter) {
  const { application, state, before } = filter;
  const [at, id] =
    state === undefined ? (['release.created_at', 'release.id'] as const) : (['release_run.created_at', 'release_run.release'] as const);
  let query = reader
    .withTables<Tables>()
    .selectFrom('release')
    .innerJoin('release_run', 'release_run.release', 'release.id')
    .select([
      'release.id',
      'release.application',
      'version',
      'tag',
      'commit',
      'signer',
      'created_by',
      'release.created_at',
      'release_run.state',
      'release_run.reason',
    ])
    .orderBy(at, 'desc')
    .orderBy(id, 'desc')
    .limit(filter.limit);
  if (application !== undefined)
    query = query.where(state === undefined ? 'release.application' : 'release_run.application', '=', application);
  if (state !== undefined) query = query.where('release_run.state', '=', state);
  if (before !== undefined) query = query.where((eb) => eb(eb.refTuple(at, id), '<', eb.tuple(before.createdAt, before.id)));
  return query.execute();
}

/** What serves where, and who is changing it: one row a lane. */
export async function listLanesEverywhere(reader: Reader, limit: number) {
  return reader
    .withTables<Tables>()
    .selectFrom('lane')
    .leftJoin('deployment', 'deployment.id', 'lane.live_deployment')
    .leftJoin('release', 'release.id', 'deployment.runs_release')
    .select([
      'lane.application',
      'lane.environment',
      'lane.holder',
      'release.id as release',
      'release.version',
      'deployment.finished_at as since',
    ])
    .orderBy('lane.application')
    .orderBy('lane.environment')
    .limit(limit)
    .execute();
}
