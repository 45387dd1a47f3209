import { type Evidence, type Finding, finding, type LedgerEntry, type SeenChange } from '../evidence.ts';

type Facts = Pick<Evidence, 'seen' | 'entries' | 'final'>;

/** Actions that change no row that is watched: configuration, tokens, what people ask for, what the judge says. */
const withoutRow = /^(resource|token|principal|analysis)\.|^release\.(promotion|rollback|cancellation)-requested$|^run\.gave-up$/;

/**
 * Both ways: each change of a row has its one entry in the same transaction, each entry about such a change has its row,
 * and what was handed to the ledger is in it once. The chain of a deployment's entries has no gap and no repetition.
 */
export function inLedgerOnce({ seen, entries, final }: Facts): Finding {
  const changes = seen.filter(({ kind }) => kind !== 'entry' && kind !== 'lease');
  const handed = seen.filter(({ kind }) => kind === 'entry');
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const ofTransaction = Map.groupBy(handed, ({ tx }) => tx);
  const claimed = new Map<string, SeenChange>();
  const violations: string[] = [];
  for (const change of changes) {
    const together = (ofTransaction.get(change.tx) ?? []).flatMap(({ subject }) => byId.get(subject) ?? []);
    const telling = together.filter((entry) => tells(entry, change) && !claimed.has(entry.id));
    if (telling.length === 1 && telling[0]) claimed.set(telling[0].id, change);
    else violations.push(`${sentenceOf(change)}: expected one entry in its transaction, got ${telling.length}`);
  }
  const told = entries.filter(({ action }) => !withoutRow.test(action));
  violations.push(
    ...told
      .filter(({ id }) => !claimed.has(id))
      .map((entry) => `entry ${entry.index} (${entry.action} ${entry.subject}) tells of no change`),
    ...handedNotOnce(handed, entries),
    ...repeated(entries),
    ...brokenChains(entries),
    ...(final.pending === 0 ? [] : [`${final.pending} entries were never moved into the ledger`]),
  );
  return finding('every action is in the ledger exactly once', violations, {
    rowChanges: changes.length,
    entries: entries.length,
    ofThemTellingOfRowChanges: told.length,
  });
}

function tells({ action, subject, before, after }: LedgerEntry, { kind, subject: row, key, before: from, after: to }: SeenChange): boolean {
  switch (kind) {
    case 'deployment':
      if (subject !== `deployment/${row}` || !action.startsWith('deployment.')) return false;
      if (from === undefined) return action === 'deployment.started';
      return before?.['state'] === from.state && before?.['step'] === from.step && after?.['state'] === to.state;
    case 'release':
      return subject === `release/${row}` && action === 'release.created';
    case 'release_run':
      if (subject !== `release/${row}`) return false;
      return action === `release.${to.state}` || (to.state === 'rolling-back' && action === 'release.rollback-requested');
    case 'build':
      return subject === `build/${row}` && action === (to.state === 'running' ? 'build.started' : `build.${to.state}`);
    case 'candidate':
      return subject === `release/${key}` && action.startsWith('candidate.');
    case 'approval':
      return subject === `release/${key}` && /^approval\.(given|refused)$/.test(action);
    case 'approval_gate':
      return subject === `release/${key}` && action === 'approval.requested';
    default:
      return false;
  }
}

function sentenceOf({ kind, subject, before, after }: SeenChange): string {
  const state = (of: SeenChange['before']): string => (of === undefined ? 'nothing' : JSON.stringify(of));
  return `${kind} ${subject} went from ${state(before)} to ${state(after)}`;
}

function handedNotOnce(handed: readonly SeenChange[], entries: readonly LedgerEntry[]): readonly string[] {
  const inLedger = countBy(entries, ({ id }) => id);
  const given = countBy(handed, ({ subject }) => subject);
  // Before the first one seen there were those of the platform's own beginning.
  const first = entries.findIndex(({ id }) => given.has(id));
  return [
    ...[...given]
      .filter(([id, times]) => times !== 1 || inLedger.get(id) !== 1)
      .map(([id, times]) => `entry ${id} was handed over ${times} time(s) and is in the ledger ${inLedger.get(id) ?? 0} time(s)`),
    ...entries
      .slice(first === -1 ? entries.length : first)
      .filter(({ id }) => !given.has(id))
      .map(({ id, index }) => `entry ${index} (${id}) is in the ledger, and nobody handed it over`),
  ];
}

/** The same step of the same thing told twice, in two transactions. */
function repeated(entries: readonly LedgerEntry[]): readonly string[] {
  const steps = entries.filter(({ subject, action }) => subject.startsWith('deployment/') || /^(release|candidate|build)\./.test(action));
  const counts = countBy(steps, ({ subject, action, before, after }) =>
    [
      subject,
      action,
      before?.['state'],
      before?.['step'],
      after?.['state'],
      after?.['step'] ?? after?.['weight'],
      after?.['revision'],
      (after?.['verdict'] as { readonly kind?: string } | undefined)?.kind,
    ].join(' '),
  );
  return [...counts].filter(([, times]) => times > 1).map(([step, times]) => `${step.trim()} is in the ledger ${times} times`);
}

function brokenChains(entries: readonly LedgerEntry[]): readonly string[] {
  const moves = entries.filter(({ subject, before }) => subject.startsWith('deployment/') && before?.['state'] !== undefined);
  return [...Map.groupBy(moves, ({ subject }) => subject)].flatMap(([subject, chain]) =>
    chain.flatMap((entry, at) => {
      const expected = at === 0 ? 'starting' : chain[at - 1]?.after?.['state'];
      const got = entry.before?.['state'];
      return got === expected ? [] : [`${subject}: expected entry ${entry.index} to go on from ${String(expected)}, got ${String(got)}`];
    }),
  );
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}
