import type { Reader, Transaction } from '../platform/database/database.ts';
import type { Reason } from '../platform/decision.ts';
import type { Digest, Json } from '../platform/digest.ts';
import { Fault } from '../platform/fault.ts';
import { recordChange } from '../platform/ledger/record.store.ts';
import { saveArtifact } from './artifact.store.ts';
import type { Build, BuildState } from './build.ts';
import { attemptToStart, buildId, checkBuildStep, keptLog, refuseOtherBytes } from './build.ts';

type BuildRow = {
  readonly id: string;
  readonly release: string;
  readonly attempt: number;
  readonly application: string;
  readonly tag: string;
  readonly commit: string;
  readonly state: BuildState;
  readonly artifact_digest: string | null;
  readonly reason: string | Reason | null;
  readonly log: string;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
};

type Tables = { build: BuildRow };

const buildActor = 'system:reconciler';

/** The release's newest build, without its log. */
export async function findBuild(reader: Reader, release: string): Promise<Build | undefined> {
  const row = await newestBuild(reader, release).executeTakeFirst();
  return row && toBuild(row);
}

/** The last lines of the release's newest build; empty while it runs. */
export async function findBuildLog(reader: Reader, release: string): Promise<string | undefined> {
  const row = await newestBuild(reader, release).executeTakeFirst();
  return row?.log;
}

/** Idempotent: a build under way or succeeded stays as it is and nothing is recorded; a failed one gets a new attempt. */
export async function startBuild(
  tx: Transaction,
  start: { readonly release: string; readonly application: string; readonly commit: string; readonly tag: string; readonly at: Date },
): Promise<Build> {
  const newest = await lockBuild(tx, start.release);
  const attempt = attemptToStart(newest);
  if (newest?.attempt === attempt && newest.state !== 'queued') return newest;
  const { release, application, commit, tag, at } = start;
  const id = buildId(release, attempt);
  const started = { state: 'running', started_at: at } as const;
  if (newest?.attempt === attempt) {
    checkBuildStep(newest, 'running');
    await tx.withTables<Tables>().updateTable('build').set(started).where('id', '=', id).execute();
  } else {
    await tx
      .withTables<Tables>()
      .insertInto('build')
      .values({ id, release, attempt, application, commit, tag, ...started, log: '', created_at: at })
      .execute();
  }
  const build: Build = {
    createdAt: at,
    ...(newest?.attempt === attempt ? newest : {}),
    id,
    release,
    attempt,
    application,
    commit,
    tag,
    state: 'running',
    startedAt: at,
  };
  await record(tx, build, { action: 'build.started', after: { commit, tag, attempt }, at });
  return build;
}

/**
 * Idempotent for the same digest. Faults (409): `artifact.immutable` when the build has given other bytes before,
 * `build.wrong-state` when it was ended otherwise.
 */
export async function finishBuild(
  tx: Transaction,
  end: { readonly release: string; readonly digest: Digest; readonly bytes: number; readonly log: readonly string[]; readonly at: Date },
): Promise<Build> {
  const build = await loadBuild(tx, end.release);
  if (build.artifactDigest !== undefined) {
    refuseOtherBytes(build, build.artifactDigest, end.digest);
    return build;
  }
  checkBuildStep(build, 'succeeded');
  await saveArtifact(tx, { digest: end.digest, bytes: end.bytes, build: build.id, createdAt: end.at });
  await tx
    .withTables<Tables>()
    .updateTable('build')
    .set({ state: 'succeeded', artifact_digest: end.digest, log: keptLog(end.log), finished_at: end.at })
    .where('id', '=', build.id)
    .execute();
  const finished: Build = { ...build, state: 'succeeded', artifactDigest: end.digest, finishedAt: end.at };
  await record(tx, finished, {
    action: 'build.succeeded',
    after: { commit: build.commit, artifact: end.digest, bytes: end.bytes },
    at: end.at,
  });
  return finished;
}

/** Idempotent: a build that has failed keeps its first reason. Fault `build.wrong-state` (409) when it succeeded. */
export async function failBuild(
  tx: Transaction,
  end: { readonly release: string; readonly reason: Reason; readonly log?: readonly string[]; readonly at: Date },
): Promise<Build> {
  const build = await loadBuild(tx, end.release);
  if (build.state === 'failed') return build;
  checkBuildStep(build, 'failed');
  await tx
    .withTables<Tables>()
    .updateTable('build')
    .set({ state: 'failed', reason: JSON.stringify(end.reason), log: keptLog(end.log ?? []), finished_at: end.at })
    .where('id', '=', build.id)
    .execute();
  const failed: Build = { ...build, state: 'failed', reason: end.reason, finishedAt: end.at };
  await record(tx, failed, {
    action: 'build.failed',
    after: { commit: build.commit, code: end.reason.code },
    reason: end.reason.sentence,
    at: end.at,
  });
  return failed;
}

function newestBuild(reader: Reader, release: string) {
  return reader.withTables<Tables>().selectFrom('build').selectAll().where('release', '=', release).orderBy('attempt', 'desc').limit(1);
}

/** Two that end one build at once take turns here. */
async function lockBuild(tx: Transaction, release: string): Promise<Build | undefined> {
  const row = await newestBuild(tx, release).forUpdate().executeTakeFirst();
  return row && toBuild(row);
}

async function loadBuild(tx: Transaction, release: string): Promise<Build> {
  const build = await lockBuild(tx, release);
  if (build !== undefined) return build;
  throw new Fault({ code: 'build.unknown', status: 404, message: `expected a build of ${release}, got none`, remedy: 'Start it first.' });
}

type BuildChange = { readonly action: string; readonly after: Json; readonly reason?: string; readonly at: Date };

async function record(tx: Transaction, build: Build, change: BuildChange): Promise<void> {
  const artifact = build.artifactDigest === undefined ? [] : [`artifact/${build.artifactDigest}`];
  await recordChange(tx, {
    actor: buildActor,
    subject: `build/${build.id}`,
    related: [`release/${build.release}`, ...artifact],
    ...change,
  });
}

function toBuild(row: BuildRow): Build {
  return {
    id: row.id,
    release: row.release,
    attempt: row.attempt,
    application: row.application,
    tag: row.tag,
    commit: row.commit,
    state: row.state,
    ...(row.artifact_digest === null ? {} : { artifactDigest: row.artifact_digest as Digest }),
    ...(row.reason === null ? {} : { reason: row.reason as Reason }),
    createdAt: row.created_at,
    ...(row.started_at === null ? {} : { startedAt: row.started_at }),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  };
}
