import { type Evidence, type Finding, finding, type ReleaseEvidence } from '../evidence.ts';

const rightEnd = { good: 'completed', bad: 'rolled-back', regretted: 'rolled-back' } as const;
const ends: ReadonlySet<string> = new Set(['completed', 'rolled-back', 'failed', 'cancelled'].map((state) => `release.${state}`));

/**
 * Every release ends once, and as it should. A good one that the judge took back is a false alarm: allowed with the
 * probability alpha that the pipeline states, so it is counted apart and shown, and no more of them than chance explains.
 */
export function rightEnds({ releases, entries }: Pick<Evidence, 'releases' | 'entries'>): Finding {
  const falseAlarms = releases.filter(isFalseAlarm);
  const violations = [
    ...releases.filter((release) => !isFalseAlarm(release)).flatMap(wrongEndOf),
    ...releases.flatMap((release) => endedTwice(release, entries)),
    ...releases.flatMap(({ id, verdict }) =>
      verdict && verdict.kind !== verdict.replayed
        ? [`${id}: the judge said ${verdict.kind}, its stored inputs say ${verdict.replayed}`]
        : [],
    ),
    ...(falseAlarms.length > 1 ? [`expected at most one false alarm, got ${falseAlarms.map(({ id }) => id).join(', ')}`] : []),
  ];
  return finding('every release ends in exactly one right terminal state', violations, {
    releases: releases.length,
    good: endsOf(releases, 'good'),
    bad: endsOf(releases, 'bad'),
    regretted: endsOf(releases, 'regretted'),
    falseAlarms: falseAlarms.map(({ id, verdict }) => ({ id, ...verdict })),
  });
}

/** Only what the judge itself said counts: a rollback for any other reason was ours. */
function isFalseAlarm({ quality, state, verdict, reason }: ReleaseEvidence): boolean {
  return (
    quality !== 'bad' &&
    state === 'rolled-back' &&
    verdict?.kind === 'rollback' &&
    verdict.replayed === 'rollback' &&
    reason?.code !== 'run.rolled-back'
  );
}

function wrongEndOf({ id, quality, state, verdict, reason }: ReleaseEvidence): readonly string[] {
  const right = rightEnd[quality];
  const why = reason ? ` (${reason.code}: ${reason.sentence})` : '';
  if (state !== right) return [`${id} is ${quality}: expected ${right}, got ${state}${why}`];
  if (quality === 'bad' && verdict?.kind !== 'rollback') return [`${id} was taken back without the judge's verdict${why}`];
  if (quality === 'regretted' && reason?.code !== 'run.rolled-back') return [`${id} was to be taken back by a person, got${why}`];
  return [];
}

/** A regretted one is completed first. */
function endedTwice({ id, quality }: ReleaseEvidence, entries: Evidence['entries']): readonly string[] {
  const told = entries.filter(({ subject, action }) => subject === `release/${id}` && ends.has(action));
  const expected = quality === 'regretted' && told[0]?.action === 'release.completed' ? 2 : 1;
  const words = told.map(({ action }) => action).join(', ');
  return told.length === expected ? [] : [`${id}: expected ${expected} end(s) in the ledger, got ${told.length} (${words})`];
}

function endsOf(releases: readonly ReleaseEvidence[], quality: ReleaseEvidence['quality']): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { state } of releases.filter((release) => release.quality === quality)) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
