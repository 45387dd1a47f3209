import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { sql } from 'kysely';
import type { Database } from '../src/platform/database/database.ts';
import { exportLedger } from '../src/platform/ledger/export.store.ts';
import { verifyExport } from '../src/platform/ledger/export.reader.ts';
import { DEFAULT_ORIGIN, findVerifierKey } from '../src/platform/ledger/ledger-key.ts';
import { type JudgedBatch, type JudgeSettings, observe, openJudge, openStage, verdictOf } from '../src/validation/index.ts';
import type { DeploymentEvidence, Evidence, FinalState, JudgedVerdict, LedgerEntry, ReleaseEvidence } from './evidence.ts';
import { until } from './patience.ts';
import type { MadeRelease } from './release-track.ts';
import { listSeen } from './witness.store.ts';

type Collected = Pick<Evidence, 'releases' | 'deployments' | 'seen' | 'entries' | 'verification'> & {
  readonly final: Pick<FinalState, 'lanes' | 'pending'>;
};

/** A second is the goal; a database that has just recovered may be slower. */
const integratedWithinMs = 30_000;

/** Reads what the run left in the database, and exports the ledger to verify the file alone. */
export async function collect(db: Database, home: string, made: readonly MadeRelease[]): Promise<Collected> {
  await until(async () => ((await countPending(db)) === 0 ? true : undefined), { withinMs: integratedWithinMs, everyMs: 100 });
  return {
    releases: await listReleases(db, made),
    deployments: await listDeployments(db),
    seen: await listSeen(db),
    entries: await listEntries(db),
    verification: await verifyOffline(db, home),
    final: { lanes: await listLanes(db), pending: await countPending(db) },
  };
}

async function countPending(db: Database): Promise<number> {
  const { rows } = await sql<{ readonly pending: number }>`select count(*) as pending from ledger_pending`.execute(db);
  return rows[0]?.pending ?? 0;
}

async function verifyOffline(db: Database, home: string): Promise<Evidence['verification']> {
  const file = join(home, 'chaos-ledger.jsonl');
  const verifierKey = (await findVerifierKey({ home })) ?? '';
  await pipeline(exportLedger(db, { origin: DEFAULT_ORIGIN, verifierKey }), createWriteStream(file, { mode: 0o600 }));
  const { verdict, size, sentence } = await verifyExport(file, { verifierKey });
  return { verdict, size, sentence };
}

interface ReleaseRow {
  readonly id: string;
  readonly application: string;
  readonly state: string;
  readonly reason: { readonly code: string; readonly sentence: string } | null;
  readonly settings: JudgeSettings | null;
  readonly verdict: Omit<JudgedVerdict, 'replayed'> | null;
  readonly batches: readonly { readonly step: number; readonly batch: JudgedBatch['batch'] }[] | null;
  readonly authors: readonly { readonly principal?: string }[];
}

async function listReleases(db: Database, made: readonly MadeRelease[]): Promise<readonly ReleaseEvidence[]> {
  const { rows } = await sql<ReleaseRow>`
    select r.id, r.application, run.state, run.reason, r.authors, a.settings, a.verdict,
      (select jsonb_agg(jsonb_build_object('step', b.step, 'batch', b.batch) order by b.number) from analysis_batch b
        where b.deployment = a.deployment) as batches
    from release r join release_run run on run.release = r.id
      left join analysis a on a.deployment = (select d.id from deployment d where d.release = r.id and d.kind = 'release'
        and exists (select from analysis where deployment = d.id))
    order by r.created_at, r.id`.execute(db);
  return rows.map(({ id, application, state, reason, verdict, settings, batches, authors }) => ({
    id,
    application,
    state,
    // A release that nobody of ours remembers making is good until it shows otherwise: it will be found doubled elsewhere.
    quality: made.find((release) => release.id === id)?.quality ?? 'good',
    authors: authors.flatMap(({ principal }) => principal ?? []),
    ...(reason && { reason: { code: reason.code, sentence: reason.sentence } }),
    ...(verdict && settings && { verdict: judgedVerdict(verdict, replay(settings, batches ?? [])) }),
  }));
}

function judgedVerdict({ kind, sentence, requests, errors }: Omit<JudgedVerdict, 'replayed'>, replayed: string): JudgedVerdict {
  return { kind, sentence, requests, errors, replayed };
}

/** The stored inputs, through the judge once more: nothing but them made the verdict. */
function replay(settings: JudgeSettings, batches: NonNullable<ReleaseRow['batches']>): string {
  let state = openJudge(settings);
  let step = 0;
  for (const each of batches) {
    if (each.step !== step) state = openStage(state);
    step = each.step;
    state = observe(state, each.batch);
  }
  return verdictOf(state).kind;
}

interface DeploymentRow extends Omit<DeploymentEvidence, 'runsRelease' | 'builtArtifact' | 'artifact'> {
  readonly runs_release: string;
  readonly artifact: string;
  readonly built_artifact: string | null;
}

async function listDeployments(db: Database): Promise<readonly DeploymentEvidence[]> {
  const { rows } = await sql<DeploymentRow>`
    select d.id, d.release, d.runs_release, d.application, d.environment, d.stage, d.kind, d.state, d.step,
      d.candidate_digest as candidate, d.plan->>'artifactDigest' as artifact,
      (select b.artifact_digest from build b where b.release = d.runs_release and b.state = 'succeeded' limit 1) as built_artifact
    from deployment d order by d.started_at`.execute(db);
  return rows.map(({ runs_release: runsRelease, built_artifact: built, ...row }) => ({
    ...row,
    runsRelease,
    builtArtifact: built ?? undefined,
  }));
}

async function listLanes(db: Database): Promise<FinalState['lanes']> {
  const { rows } = await sql<FinalState['lanes'][number]>`
    select application || '/' || environment as lane, holder, live_deployment as live from lane order by 1`.execute(db);
  return rows;
}

async function listEntries(db: Database): Promise<readonly LedgerEntry[]> {
  const { rows } = await sql<{
    readonly index: number;
    readonly leaf: string;
  }>`select index, leaf from ledger_entry order by index`.execute(db);
  return rows.map(({ index, leaf }) => {
    const entry = JSON.parse(leaf) as Omit<LedgerEntry, 'index' | 'at'> & { readonly at: string };
    return { ...entry, index, at: Date.parse(entry.at) };
  });
}
