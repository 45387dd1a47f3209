import type { DeploymentEvidence, Evidence, JudgedVerdict, LedgerEntry, RowState, SeenChange } from '../evidence.ts';

/** For the tests: one release that went to production as it should, told by every witness. Each test spoils one thing. */
export function goodHistory(): Evidence {
  const book = new Book();
  book.change(
    { kind: 'release', subject: release, after: {} },
    { action: 'release.created', subject: `release/${release}`, after: {} },
    server,
  );
  book.change({ kind: 'lease', subject: release, after: { token: 1, holder: holderOf(worker) } });
  book.change(
    { kind: 'candidate', subject: `${release}#1`, after: {} },
    { action: 'candidate.created', subject: `release/${release}`, after: { revision: 1 } },
  );
  for (const [role, person] of Object.entries(people)) {
    const after = { stage: 'production', candidate, roles: [role] };
    book.change(
      { kind: 'approval', subject: `${release}#${person}`, after: {} },
      { action: 'approval.given', subject: `release/${release}`, actor: person, after },
      server,
    );
  }
  book.deploy('shop@1-staging-1');
  book.deploy('shop@1-production-1');
  book.change(
    { kind: 'release_run', subject: release, before: { state: 'active' }, after: { state: 'completed' } },
    { action: 'release.completed', subject: `release/${release}`, before: { state: 'active' }, after: { state: 'completed' } },
  );
  const live = ['shop@1-production-1', 'shop@1-staging-1'];
  const routes = live.map((id) => ({ lane: laneOf(id), arms: [{ deployment: id, weight: 100 }] }));
  const instances = live.map((name) => ({ name, state: 'running', artifact, restarts: 0 }));
  return {
    releases: [
      {
        id: release,
        application: 'shop',
        quality: 'good',
        state: 'completed',
        verdict: verdictOf('pass'),
        authors: ['kim'],
      },
    ],
    deployments: live.map(deploymentOf),
    approvalsBefore: { staging: {}, production: { security: 1, business: 1 } },
    seen: book.seen,
    entries: book.entries,
    verification: { verdict: 'verified', size: book.entries.length, sentence: 'All is as it was signed.' },
    samples: [{ at: 1_000, apartMs: 3, instances, routes }],
    final: {
      lanes: live.map((id) => ({ lane: laneOf(id), holder: null, live: id })),
      instances,
      routes,
      processes: live,
      pending: 0,
    },
    requests: Array.from({ length: 100 }, (_, at) => ({
      lane: 'shop/production',
      from: at * 10,
      to: at * 10 + 5,
      outcome: 'version' as const,
    })),
    kills: [{ victim: 'router', pid: 77, at: 500, backAt: 600 }],
    stops: [
      {
        worker: 'worker',
        writer: sleeper,
        key: release,
        token: 0,
        stoppedAt: 1,
        takenOver: { token: 1, holder: holderOf(worker), at: 2 },
        continuedAt: 3,
        wokeUp: true,
      },
    ],
  };
}

export function verdictOf(kind: string, replayed = kind): JudgedVerdict {
  return { kind, sentence: `It is ${kind}.`, requests: { canary: 100, stable: 300 }, errors: { canary: 2, stable: 6 }, replayed };
}

export const release = 'shop@1';
export const worker = 'tidegate worker 20';
/** Lost its lease while it was stopped. */
export const sleeper = 'tidegate worker 10';
export const candidate = 'sha256:candidate';
const server = 'tidegate server 30';
const artifact = 'sha256:artifact';
const people = { security: 'sam', business: 'bea' } as const;

export function holderOf(writer: string): string {
  return `${writer} ${writer.split(' ').at(-1)} on machine`;
}

function laneOf(deployment: string): string {
  return `shop/${deployment.split('-')[1]}`;
}

function deploymentOf(id: string): DeploymentEvidence {
  const environment = id.split('-')[1] ?? '';
  const common = { id, release, runsRelease: release, application: 'shop', environment, stage: environment, candidate };
  return { ...common, kind: 'release', state: 'succeeded', step: 0, artifact, builtArtifact: artifact };
}

type Told = Pick<LedgerEntry, 'action' | 'subject'> & Partial<LedgerEntry>;
type Changed = Pick<SeenChange, 'kind' | 'subject' | 'after'> & { readonly before?: RowState };

/** Writes rows and entries down as a platform does: together. */
class Book {
  readonly seen: SeenChange[] = [];
  readonly entries: LedgerEntry[] = [];

  change(change: Changed, told?: Told, writer = worker): void {
    const at = this.seen.length;
    const common = { at, tx: String(at), writer, key: release, lease: { token: 1, holder: holderOf(worker) } };
    this.seen.push({ ...common, number: this.seen.length, ...change });
    if (!told) return;
    const id = `entry-${this.entries.length}`;
    this.entries.push({ index: this.entries.length, id, at, actor: 'system:reconciler', ...told });
    this.seen.push({ ...common, number: this.seen.length, kind: 'entry', subject: id, after: {} });
  }

  deploy(id: string): void {
    const subject = `deployment/${id}`;
    const first = { state: 'starting', step: -1 };
    this.change({ kind: 'deployment', subject: id, after: first }, { action: 'deployment.started', subject, after: { candidate } });
    const way = [
      first,
      { state: 'checking', step: -1 },
      { state: 'soaking', step: 0 },
      { state: 'settling', step: 0 },
      { state: 'succeeded', step: 0 },
    ];
    for (const [at, after] of way.entries()) {
      const before = way[at - 1];
      if (!before) continue;
      const action = after.state === 'settling' ? 'deployment.settled' : 'deployment.moved';
      this.change({ kind: 'deployment', subject: id, before, after }, { action, subject, before, after });
    }
  }
}
