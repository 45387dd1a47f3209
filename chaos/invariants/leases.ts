import { type Evidence, type Finding, finding, type SeenChange, type StoppedWorker } from '../evidence.ts';

type Facts = Pick<Evidence, 'seen' | 'stops'>;

const byLeaseOnly: ReadonlySet<SeenChange['kind']> = new Set(['deployment', 'release_run', 'build', 'candidate', 'approval_gate']);

/** A worker that slept through the loss of its lease changes nothing; and nobody else ever changes what another one holds. */
export function stoppedChangedNothing({ seen, stops }: Facts): Finding {
  const covered = seen.filter(({ kind, writer }) => byLeaseOnly.has(kind) && writer.startsWith('tidegate worker '));
  return finding(
    'a stopped worker whose lease was taken over changed nothing',
    [
      ...(stops.length === 0 ? ['no worker was stopped while it held a lease'] : []),
      ...stops.flatMap((stop) => faultsOf(stop, seen)),
      ...covered.filter((change) => !change.lease?.holder.startsWith(`${change.writer} `)).map(withoutLease),
    ],
    {
      stops: stops.map(({ worker, key, token, takenOver, stoppedAt, wokeUp }) => ({
        worker,
        key,
        token,
        takenOverBy: takenOver?.token,
        afterSeconds: takenOver && Math.round((takenOver.at - stoppedAt) / 100) / 10,
        wokeUp,
      })),
      changesMadeUnderALease: covered.length,
      leasesTaken: seen.filter(({ kind }) => kind === 'lease').length,
    },
  );
}

function withoutLease({ kind, subject, writer, lease }: SeenChange): string {
  return `${writer} changed ${kind} ${subject} while the lease was ${lease ? `${lease.token} of ${lease.holder}` : 'nobody’s'}`;
}

function faultsOf({ worker, writer, key, token, takenOver, wokeUp }: StoppedWorker, seen: readonly SeenChange[]): readonly string[] {
  const who = `${worker} (${writer}), stopped with token ${token} of ${key}`;
  if (!takenOver) return [`${who}: nobody took over`];
  if (takenOver.token <= token) return [`${who}: expected its successor's token to be higher, got ${takenOver.token}`];
  const leases = seen.filter(({ kind, subject }) => kind === 'lease' && subject === key);
  const lost = leases.find(({ after }) => after.token === takenOver.token);
  if (!lost) return [`${who}: the lease ${takenOver.token} was never seen`];
  const again = leases.find(({ number, after }) => number > lost.number && after.holder?.startsWith(`${writer} `) === true);
  const harm = seen.filter(
    (change) =>
      change.kind !== 'lease' &&
      change.writer === writer &&
      change.key === key &&
      change.number > lost.number &&
      change.number < (again?.number ?? Infinity),
  );
  return [
    ...(wokeUp ? [] : [`${who}: it did not live to wake up, so nothing is shown`]),
    ...harm.map(({ kind, subject, after }) => `${who}: after the take-over it wrote ${kind} ${subject} ${JSON.stringify(after)}`),
  ];
}
