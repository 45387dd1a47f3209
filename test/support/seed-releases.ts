import { sql } from 'kysely';
import type { DeploymentState } from '../../src/pipelines/deployment.ts';
import type { RunState } from '../../src/pipelines/release-run.ts';
import { type LoadedRun, loadRun } from '../../src/pipelines/run-facts.store.ts';
import { candidateDigest, type CandidateContent, stageDigest } from '../../src/planning/index.ts';
import type { Database, Transaction } from '../../src/platform/database/database.ts';
import { digestOfBytes } from '../../src/platform/digest.ts';
import { observe, openJudge, resolveSettings, verdictOf } from '../../src/validation/index.ts';

export interface ReleasesSeed {
  /** Of all applications together. */
  readonly releases: number;
  /** Names of Application and Pipeline resources in force, with stages `staging` and `production`: each gets the same number of releases. */
  readonly applications: readonly string[];
  /** When the newest is made; each one before it twenty minutes earlier. */
  readonly newestAt: Date;
}

interface Seeded {
  readonly id: string;
  readonly application: string;
  readonly version: string;
  readonly at: Date;
  readonly artifact: string;
  readonly fate: Fate;
}

/** `waiting` for approvals and `observing` a canary are what is under way. */
type Fate = 'completed' | 'rolled-back' | 'build-failed' | 'cancelled' | 'waiting' | 'observing';

const runStateOf = {
  completed: 'completed',
  'rolled-back': 'rolled-back',
  'build-failed': 'failed',
  cancelled: 'cancelled',
  waiting: 'active',
  observing: 'active',
} as const satisfies Record<Fate, RunState>;

/** Of each application, this many of the newest are under way. */
const underWay = 5;
const rowsAtOnce = 2_000;
const approvers = { security: 'sam', operations: 'olga', business: 'bea' };

/**
 * Fills the tables of releases with what finished and unfinished runs leave behind: builds, artifacts, candidates with
 * their real digests, approvals, deployments, probes and analyses. Ids oldest first. 10,000 releases take about a minute.
 */
export async function seedReleases(db: Database, seed: ReleasesSeed): Promise<readonly string[]> {
  const releases = Array.from({ length: seed.releases }, (_, i) => releaseAt(seed, i));
  await db.transaction().execute(async (tx) => {
    await insertRows(tx, 'release', releases.map(releaseRow));
    await insertRows(tx, 'release_run', releases.map(runRow));
    await insertRows(tx, 'artifact', releases.filter(isBuilt).map(artifactRow));
    await insertRows(tx, 'build', releases.map(buildRow));
    for (const application of seed.applications)
      await seedRuns(
        tx,
        releases.filter((release) => release.application === application),
      );
  });
  await sql`analyze`.execute(db);
  return releases.map(({ id }) => id);
}

function releaseAt({ releases, applications, newestAt }: ReleasesSeed, i: number): Seeded {
  const application = applications[i % applications.length] ?? '';
  const nth = Math.floor(i / applications.length);
  const version = `1.${nth}.0`;
  const left = Math.ceil((releases - i) / applications.length);
  return {
    id: `${application}@${version}`,
    application,
    version,
    at: new Date(newestAt.getTime() - (releases - 1 - i) * 20 * 60_000),
    artifact: digestOfBytes(`${application}@${version}`),
    fate: left <= underWay ? (left === underWay && (i % applications.length) % 4 === 0 ? 'observing' : 'waiting') : fateOf(nth),
  };
}

function fateOf(nth: number): Fate {
  if (nth % 20 === 7) return 'rolled-back';
  if (nth % 50 === 13) return 'build-failed';
  return nth % 50 === 31 ? 'cancelled' : 'completed';
}

function isBuilt({ fate }: Seeded): boolean {
  return fate !== 'build-failed';
}

function releaseRow({ id, application, version, at }: Seeded): object {
  const commit = digestOfBytes(id).slice(7, 47);
  const authors = [
    { part: 'commit', email: 'dana@storefront.example', principal: 'dana' },
    { part: 'tag', principal: 'dana' },
  ];
  return {
    id,
    application,
    version,
    tag: `v${version}`,
    tag_object: commit,
    commit,
    signer: 'dana',
    authors,
    created_by: 'storefront-git',
    created_at: at,
  };
}

function runRow({ id, application, fate, at }: Seeded): object {
  const state = runStateOf[fate];
  const reason = state === 'active' ? null : { code: `run.${state}`, sentence: `It ended ${state}.` };
  const finished = state === 'active' ? null : at;
  return {
    release: id,
    application,
    state,
    pipeline_name: application,
    pipeline_version: 1,
    reason,
    finished_at: finished,
    created_at: at,
  };
}

function artifactRow({ id, artifact, at }: Seeded): object {
  return { digest: artifact, bytes: 40_000, build: `${id}-1`, created_at: at };
}

function buildRow(release: Seeded): object {
  const { id, application, version, at, artifact } = release;
  const common = {
    id: `${id}-1`,
    release: id,
    attempt: 1,
    application,
    tag: `v${version}`,
    commit: digestOfBytes(id).slice(7, 47),
    created_at: at,
    started_at: at,
    finished_at: at,
  };
  const log = 'added 120 packages in 4 s\n'.repeat(40);
  return isBuilt(release)
    ? { ...common, state: 'succeeded', artifact_digest: artifact, log }
    : { ...common, state: 'failed', reason: { code: 'build.command', sentence: 'The command ended with 1.' }, log };
}

async function seedRuns(tx: Transaction, all: readonly Seeded[]): Promise<void> {
  const releases = all.filter(isBuilt);
  const first = releases[0] && (await loadRun(tx, releases[0].id, releases[0].at));
  if (!first?.facts.proposed) throw new Error('expected the configuration of an application that can be released');
  const rows = new Rows(first, first.facts.proposed);
  for (const release of releases) rows.add(release);
  for (const table of ['candidate', 'approval_gate', 'approval', 'deployment', 'probe', 'analysis', 'analysis_batch', 'lane'])
    await insertRows(tx, table, rows.of(table));
}

/** What the releases of one application leave, in their order: each replaces what was live before it. */
class Rows {
  readonly #run: LoadedRun;
  readonly #content: CandidateContent;
  readonly #rows = new Map<string, object[]>();
  readonly #live = new Map<string, string>();
  readonly #holders = new Map<string, string>();

  constructor(run: LoadedRun, content: CandidateContent) {
    this.#run = run;
    this.#content = content;
  }

  of(table: string): readonly object[] {
    const { application } = this.#content;
    const lanes = [...this.#live].map(([environment, live_deployment]) => ({
      application,
      environment,
      live_deployment,
      holder: this.#holders.get(environment) ?? null,
    }));
    return table === 'lane' ? lanes : (this.#rows.get(table) ?? []);
  }

  add(release: Seeded): void {
    const { id, version, artifact, at, fate } = release;
    const content = { ...this.#content, version, commit: digestOfBytes(id).slice(7, 47), artifacts: { [release.application]: artifact } };
    const digest = candidateDigest(content);
    this.#add('candidate', { release: id, revision: 1, digest, content, created_at: at });
    this.#addDeployment(release, content, { environment: 'staging', state: 'succeeded' });
    const isOpen = fate === 'waiting';
    const rule = { roles: { security: 1, operations: 1, business: 1 }, expiresHours: 72 };
    this.#add('approval_gate', {
      release: id,
      stage: 'production',
      rule,
      state: isOpen ? 'open' : 'closed',
      opened_at: at,
      closed_at: isOpen ? null : at,
    });
    for (const [role, principal] of Object.entries(approvers).slice(0, isOpen ? 1 : 3)) {
      const emails = [`${principal}@storefront.example`];
      this.#add('approval', {
        release: id,
        stage: 'production',
        principal,
        candidate_digest: digest,
        roles: [role],
        emails,
        decision: 'approve',
        at,
      });
    }
    const state = { completed: 'succeeded', 'rolled-back': 'rolled-back', observing: 'observing' } as const;
    if (fate === 'completed' || fate === 'rolled-back' || fate === 'observing')
      this.#addDeployment(release, content, { environment: 'production', state: state[fate] });
  }

  #add(table: string, row: object): void {
    const rows = this.#rows.get(table);
    if (rows) rows.push(row);
    else this.#rows.set(table, [row]);
  }

  #addDeployment(release: Seeded, content: CandidateContent, to: { readonly environment: string; readonly state: DeploymentState }): void {
    const { id: releaseId, application, version, artifact, at } = release;
    const { environment, state } = to;
    const stage = this.#run.pipeline.stages.find((each) => each.environment === environment);
    const id = `${application}-${version}-${environment}-1`;
    const isOver = state !== 'observing';
    const plan = {
      stage,
      criteria: this.#run.pipeline.rollback.criteria,
      port: this.#run.environments[environment]?.applications[application]?.port,
      version,
      artifactDigest: artifact,
      command: this.#run.application.run.command,
      configuration: content.configuration[environment],
    };
    this.#add('deployment', {
      id,
      release: releaseId,
      application,
      environment,
      stage: stage?.name,
      kind: 'release',
      runs_release: releaseId,
      plan,
      stage_digest: stageDigest(content, stage?.name ?? '', environment),
      candidate_digest: candidateDigest(content),
      state,
      step: state === 'succeeded' ? 2 : 0,
      since: at,
      instance_url: 'http://127.0.0.1:20001',
      restarts: 0,
      previous: this.#live.get(environment) ?? null,
      reason: state === 'rolled-back' ? { code: 'judge.rollback', sentence: '4.1 times the errors of the version before.' } : null,
      decided_at: state === 'rolled-back' ? at : null,
      zero_share_at: state === 'rolled-back' ? at : null,
      started_at: at,
      finished_at: isOver ? at : null,
    });
    if (!isOver) this.#holders.set(environment, releaseId);
    if (state === 'succeeded') this.#live.set(environment, id);
    for (let second = 1; second <= 5; second++)
      this.#add('probe', { deployment: id, at: new Date(at.getTime() + second * 1_000), passed: true, detail: 'HTTP 200 in 4 ms' });
    if (environment === 'production') this.#addAnalysis(id, at);
  }

  #addAnalysis(deployment: string, at: Date): void {
    const settings = resolveSettings();
    const batches = Array.from({ length: 20 }, (_, second) => ({
      second,
      canary: { requests: 10, errors: 0 },
      stable: { requests: 190, errors: 1 },
      expectedShare: 0.05,
    }));
    const state = batches.reduce(observe, openJudge(settings));
    const verdict = verdictOf(state);
    this.#add('analysis', { deployment, step: 0, settings, state, verdict, cursor: null, next_at: at, updated_at: at });
    for (const [i, batch] of batches.entries())
      this.#add('analysis_batch', { deployment, number: i + 1, step: 0, batch, log_e: 0, log_e_pass: null, verdict: verdict.kind });
  }
}

/** Absent columns take their defaults only when no row names them: every row of a call has the same members. */
async function insertRows(tx: Transaction, table: string, rows: readonly object[]): Promise<void> {
  const columns = sql.join([...new Set(rows.flatMap((row) => Object.keys(row)))].map((column) => sql.ref(column)));
  for (let i = 0; i < rows.length; i += rowsAtOnce) {
    const batch = JSON.stringify(rows.slice(i, i + rowsAtOnce));
    await sql`insert into ${sql.table(table)} (${columns})
      select ${columns} from jsonb_populate_recordset(null::${sql.table(table)}, ${batch}::jsonb)`.execute(tx);
  }
}
