import { describe, expect, test } from 'vitest';
import type { Evidence, Finding, LedgerEntry, SeenChange } from '../evidence.ts';
import { approvedBeforeEntry } from './approvals.ts';
import { deploymentsOnce } from './deployments-once.ts';
import { candidate, goodHistory, holderOf, release, sleeper, verdictOf, worker } from './good-history.ts';
import { invariants } from './index.ts';
import { inLedgerOnce } from './ledger-once.ts';
import { ledgerVerifies } from './ledger-verifies.ts';
import { stoppedChangedNothing } from './leases.ts';
import { rightEnds } from './right-ends.ts';
import { alwaysServed, countRequests, noneFailedByUs } from './traffic.ts';

const good = goodHistory();
const production = 'shop@1-production-1';

/** What an invariant says of the good history with some of it replaced. */
function judge(invariant: (evidence: Evidence) => Finding, spoiled: Partial<Evidence>): string {
  return invariant({ ...good, ...spoiled }).violations.join('\n');
}

function entryOf(action: string, subject?: string): LedgerEntry {
  const found = good.entries.find((entry) => entry.action === action && (subject === undefined || entry.subject === subject));
  if (!found) throw new Error(`expected ${action} in the good history`);
  return found;
}

function changeOf(kind: SeenChange['kind'], state?: string): SeenChange {
  const found = good.seen.find((change) => change.kind === kind && (state === undefined || change.after.state === state));
  if (!found) throw new Error(`expected ${kind} ${state} in the good history`);
  return found;
}

test('a history in which nothing went wrong holds every invariant', () => {
  expect(invariants.flatMap((invariant) => invariant(good).violations)).toEqual([]);
});

describe('every release ends in exactly one right terminal state', () => {
  const [shop] = good.releases;
  const as = (changed: Partial<Evidence['releases'][number]>) => (shop ? [{ ...shop, ...changed }] : []);

  test('a release that never ended', () =>
    expect(judge(rightEnds, { releases: as({ state: 'active' }) })).toMatch(/expected completed, got active/));
  test('a bad one that was let through', () =>
    expect(judge(rightEnds, { releases: as({ quality: 'bad' }) })).toMatch(/expected rolled-back, got completed/));
  test('a good one that was taken back by something else than the judge', () => {
    const reason = { code: 'health.deadline', sentence: 'Not healthy.' };
    expect(judge(rightEnds, { releases: as({ state: 'rolled-back', reason }) })).toMatch(/health.deadline/);
  });
  test('a bad one that was taken back without a verdict', () => {
    expect(judge(rightEnds, { releases: as({ quality: 'bad', state: 'rolled-back' }) })).toMatch(/without the judge's verdict/);
  });
  test('one that ended twice', () =>
    expect(judge(rightEnds, { entries: [...good.entries, entryOf('release.completed')] })).toMatch(/expected 1 end/));
  test('a verdict that its stored inputs do not give', () => {
    expect(judge(rightEnds, { releases: as({ verdict: verdictOf('pass', 'continue') }) })).toMatch(
      /said pass, its stored inputs say continue/,
    );
  });
  test('a false alarm of the judge is told apart; a second one is too many', () => {
    const alarm = as({ state: 'rolled-back', verdict: verdictOf('rollback') })[0];
    if (!alarm) throw new Error('expected a release');
    expect(judge(rightEnds, { releases: [alarm] })).toBe('');
    expect(rightEnds({ ...good, releases: [alarm] }).evidence['falseAlarms']).toMatchObject([{ id: release, requests: { canary: 100 } }]);
    expect(judge(rightEnds, { releases: [alarm, alarm] })).toMatch(/at most one false alarm/);
  });
});

describe('no artifact reached an environment without its approvals', () => {
  const without = (drop: (entry: LedgerEntry) => boolean) => ({ entries: good.entries.filter((entry) => !drop(entry)) });

  test('one role is missing', () => {
    expect(
      judge(
        approvedBeforeEntry,
        without(({ actor }) => actor === 'sam'),
      ),
    ).toBe(`${production} began with 0 of 1 approvals of security`);
  });
  test('the approval came after the deployment had begun', () => {
    const late = good.entries.map((entry) => (entry.actor === 'bea' ? { ...entry, index: 999 } : entry));
    expect(judge(approvedBeforeEntry, { entries: late })).toMatch(/0 of 1 approvals of business/);
  });
  test('the approval is of another candidate', () => {
    const other = good.entries.map((entry) =>
      entry.actor === 'bea' ? { ...entry, after: { ...entry.after, candidate: 'sha256:other' } } : entry,
    );
    expect(judge(approvedBeforeEntry, { entries: other })).toMatch(/0 of 1 approvals of business/);
  });
  test('the approver is an author', () => {
    const releases = good.releases.map((each) => ({ ...each, authors: ['bea'] }));
    expect(judge(approvedBeforeEntry, { releases })).toMatch(/0 of 1 approvals of business/);
  });
  test('the host ran what no row knows', () => {
    const instances = [{ name: 'stranger', state: 'running', artifact: 'sha256:x', restarts: 0 }];
    expect(judge(approvedBeforeEntry, { samples: [{ at: 1, apartMs: 1, instances }] })).toMatch(/stranger ran .* no deployment is known/);
  });
  test('the host ran other bytes than were approved', () => {
    const instances = [{ name: production, state: 'running', artifact: 'sha256:x', restarts: 0 }];
    expect(judge(approvedBeforeEntry, { samples: [{ at: 1, apartMs: 1, instances }] })).toMatch(/runs sha256:x/);
  });
  test('a restore brings back what never served there', () => {
    const [deployment] = good.deployments;
    if (!deployment) throw new Error('expected a deployment');
    const restore = { ...deployment, id: 'restore', kind: 'restore' as const, candidate: 'sha256:never' };
    const started = { ...entryOf('deployment.started'), index: 999, subject: 'deployment/restore', after: { candidate: 'sha256:never' } };
    const spoiled = { deployments: [...good.deployments, restore], entries: [...good.entries, started] };
    expect(judge(approvedBeforeEntry, spoiled)).toMatch(/never served/);
    expect(candidate).not.toBe('sha256:never');
  });
});

describe('every action is in the ledger exactly once', () => {
  test('a row changed without an entry', () => {
    const silent = { ...changeOf('deployment', 'soaking'), number: 999, tx: 'silent' };
    expect(judge(inLedgerOnce, { seen: [...good.seen, silent] })).toMatch(/expected one entry in its transaction, got 0/);
  });
  test('an entry whose row did not change', () => {
    const extra = { ...entryOf('deployment.settled'), index: 999, id: 'extra' };
    const handed = { ...changeOf('entry'), number: 999, tx: 'extra', subject: 'extra' };
    expect(judge(inLedgerOnce, { entries: [...good.entries, extra], seen: [...good.seen, handed] })).toMatch(
      /entry 999 .* tells of no change/,
    );
  });
  test('an entry that was handed over and never arrived', () => {
    expect(judge(inLedgerOnce, { entries: good.entries.slice(0, -1) })).toMatch(/is in the ledger 0 time/);
  });
  test('an entry that arrived twice', () => {
    expect(judge(inLedgerOnce, { entries: [...good.entries, entryOf('release.completed')] })).toMatch(/is in the ledger 2 time/);
  });
  test('a step that was done twice, each time with its entry', () => {
    const before = { state: 'checking', step: -1 };
    const again = { ...entryOf('deployment.moved', `deployment/${production}`), index: 999, id: 'again' };
    const tx = 'again';
    const seen = [
      ...good.seen,
      {
        ...changeOf('deployment', 'checking'),
        subject: production,
        number: 998,
        tx,
        before: { state: 'starting', step: -1 },
        after: before,
      },
      { ...changeOf('entry'), number: 999, tx, subject: 'again' },
    ];
    const found = judge(inLedgerOnce, { entries: [...good.entries, again], seen });
    expect(found).toMatch(/is in the ledger 2 times/);
    expect(found).toMatch(/to go on from succeeded, got starting/);
  });
  test('entries that nobody integrated', () =>
    expect(judge(inLedgerOnce, { final: { ...good.final, pending: 2 } })).toMatch(/2 entries were never moved/));
});

describe('no lost or doubled deployment', () => {
  const final = (changed: Partial<Evidence['final']>) => ({ final: { ...good.final, ...changed } });

  test('a release entered production twice', () => {
    const again = good.deployments.filter(({ id }) => id === production).map((each) => ({ ...each, id: 'again' }));
    expect(judge(deploymentsOnce, { deployments: [...good.deployments, ...again] })).toMatch(/one deployment to production, got 2/);
  });
  test('a deployment got lost', () => {
    expect(judge(deploymentsOnce, { deployments: good.deployments.filter(({ id }) => id !== production) })).toMatch(
      /one deployment to production, got 0/,
    );
  });
  test('one is still under way', () => {
    expect(judge(deploymentsOnce, { deployments: good.deployments.map((each) => ({ ...each, state: 'soaking' })) })).toMatch(
      /still soaking/,
    );
  });
  test('a lane was never given back', () => {
    expect(judge(deploymentsOnce, final({ lanes: good.final.lanes.map((lane) => ({ ...lane, holder: release })) }))).toMatch(
      /still held by/,
    );
  });
  test('the router serves something else than the rows say', () => {
    const routes = good.final.routes.map(({ lane }) => ({ lane, arms: [{ deployment: 'old', weight: 100 }] }));
    expect(judge(deploymentsOnce, final({ routes }))).toMatch(/expected all users on .*, got old 100 %/);
  });
  test('something runs on that should not', () => {
    const instances = [...good.final.instances, { name: 'old', state: 'running', artifact: 'sha256:x', restarts: 0 }];
    expect(judge(deploymentsOnce, final({ instances }))).toMatch(/expected the host to run/);
  });
  test('an application runs twice on the machine', () => {
    expect(judge(deploymentsOnce, final({ processes: [...good.final.processes, production] }))).toMatch(/one process group each/);
  });
});

describe('at no instant were both versions without traffic', () => {
  const failedAt = (...positions: readonly number[]) => ({
    requests: good.requests.map((request, at) =>
      positions.includes(at) ? { ...request, outcome: 'connection' as const, detail: 'ECONNREFUSED' } : request,
    ),
  });

  test('no request is answered for a while', () => {
    expect(judge(alwaysServed, failedAt(10, 11, 12))).toMatch(/no version answered .* for 30 ms \(3 requests\)/);
  });
  test('a request that was under way when the router was killed belongs to the restart', () => {
    const requests = good.requests.map((request, at) => (at === 30 ? { ...request, outcome: 'connection' as const, to: 510 } : request));
    expect(judge(alwaysServed, { requests })).toBe('');
  });
  test('a gap inside a router restart is counted, not blamed', () => {
    expect(judge(alwaysServed, failedAt(51, 52))).toBe('');
    expect(alwaysServed({ ...good, ...failedAt(51, 52) }).evidence['gapsInRouterRestarts']).toBe(1);
  });
  test('a lane lost its route', () => {
    const samples = [...good.samples, { at: 2_000, apartMs: 1, routes: [] }];
    expect(judge(alwaysServed, { samples })).toMatch(/shop\/production had no route any more/);
  });
  test('weights that leave users out', () => {
    const samples = [{ at: 1, apartMs: 1, routes: [{ lane: 'shop/production', arms: [{ deployment: production, weight: 75 }] }] }];
    expect(judge(alwaysServed, { samples })).toMatch(/weights added up to 75/);
  });
  test('users on a version that does not run', () => {
    const samples = good.samples.map((sample) => ({ ...sample, instances: [] }));
    expect(judge(alwaysServed, { samples })).toMatch(/which did not run/);
  });
  test('a request outside router restarts fails; inside it is counted apart', () => {
    expect(judge(noneFailedByUs, failedAt(3, 55))).toMatch(/^1970-01-01T00:00:00.030Z shop\/production: connection ECONNREFUSED/);
    expect(countRequests({ ...good, ...failedAt(3, 55) })).toEqual({ sent: 100, failedByUs: 1, failedInRouterRestarts: 1 });
  });
  test('an answer of the router itself is ours to answer for', () => {
    const requests = good.requests.map((request, at) => (at === 3 ? { ...request, outcome: 'router' as const, detail: '502' } : request));
    expect(judge(noneFailedByUs, { requests })).toMatch(/router 502/);
  });
});

describe('a stopped worker changed nothing', () => {
  test('it wrote after its lease was taken over', () => {
    const harm = { ...changeOf('entry'), number: 999, writer: sleeper };
    expect(judge(stoppedChangedNothing, { seen: [...good.seen, harm] })).toMatch(/after the take-over it wrote entry/);
  });
  test('it may go on once it has taken the key anew', () => {
    const lease = { ...changeOf('lease'), number: 998, after: { token: 5, holder: holderOf(sleeper) } };
    const later = { ...changeOf('entry'), number: 999, writer: sleeper };
    expect(judge(stoppedChangedNothing, { seen: [...good.seen, lease, later] })).toBe('');
  });
  test('a worker changed what another one held', () => {
    const seen = good.seen.map((change) =>
      change === changeOf('deployment', 'soaking') ? { ...change, writer: 'tidegate worker 2' } : change,
    );
    expect(judge(stoppedChangedNothing, { seen })).toMatch(
      /tidegate worker 2 changed deployment .* while the lease was 1 of tidegate worker 20 /,
    );
    expect(worker).toBe('tidegate worker 20');
  });
  test('nobody took over, or nobody woke up, or nobody was stopped: then nothing is shown', () => {
    expect(judge(stoppedChangedNothing, { stops: good.stops.map((stop) => ({ ...stop, takenOver: undefined })) })).toMatch(
      /nobody took over/,
    );
    expect(judge(stoppedChangedNothing, { stops: good.stops.map((stop) => ({ ...stop, wokeUp: false })) })).toMatch(
      /did not live to wake up/,
    );
    expect(judge(stoppedChangedNothing, { stops: [] })).toMatch(/no worker was stopped/);
  });
  test("a successor's token must be higher", () => {
    expect(judge(stoppedChangedNothing, { stops: good.stops.map((stop) => ({ ...stop, token: 1 })) })).toMatch(/to be higher/);
  });
});

test('a ledger that does not verify, or proves less than all of it, is found', () => {
  const verification = { verdict: 'failed' as const, size: 3, sentence: 'entry 3 was edited' };
  expect(judge(ledgerVerifies, { verification })).toMatch(/entry 3 was edited\nexpected \d+ proven entries, got 3/);
});
