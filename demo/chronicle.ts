import { readFile } from 'node:fs/promises';
import { watchEvents } from '../src/client/client.ts';
import type { Person } from './people.ts';

/** A ledger entry as it comes along the event stream. */
export interface ToldEntry {
  readonly action: string;
  readonly actor: string;
  readonly subject: string;
  readonly at: string;
  readonly reason?: string;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** Everything that happens, written along while it happens. */
export interface Chronicle {
  readonly entries: readonly ToldEntry[];
  stop(): Promise<void>;
}

export async function keepChronicle(server: string, person: Person, onEntry: (entry: ToldEntry) => void): Promise<Chronicle> {
  const token = (await readFile(person.tokenFile, 'utf8')).trim();
  const stopped = new AbortController();
  const entries: ToldEntry[] = [];
  const reading = (async () => {
    for await (const event of watchEvents({ server, token, after: 0, signal: stopped.signal })) {
      const entry = (event.event as { readonly data?: { readonly customData?: ToldEntry } }).data?.customData;
      if (!entry) continue;
      entries.push(entry);
      onEntry(entry);
    }
  })().catch((error: unknown) => {
    if (!stopped.signal.aborted) throw error;
  });
  return {
    entries,
    stop: async () => {
      stopped.abort();
      await reading;
    },
  };
}

/** The shares a deployment was given, in order. */
export function weightsIn(entries: readonly ToldEntry[], deployment: string): readonly number[] {
  return entries.flatMap((e) =>
    e.subject === `deployment/${deployment}` && e.action === 'deployment.traffic-shifted' && typeof e.after?.['weight'] === 'number'
      ? [e.after['weight']]
      : [],
  );
}

/** Seconds between the first share of users and the verdict that ended the canary. */
export function secondsToVerdict(entries: readonly ToldEntry[], deployment: string): number {
  const of = (action: string) => entries.filter((e) => e.subject === `deployment/${deployment}` && e.action === action);
  const began = of('deployment.traffic-shifted').at(0);
  const verdict = of('analysis.verdict').at(-1);
  return began && verdict ? (Date.parse(verdict.at) - Date.parse(began.at)) / 1000 : 0;
}

/** What a person wants to hear of an entry; undefined for what the live picture shows anyway. */
export function sentenceOf(entry: ToldEntry): string | undefined {
  const id = entry.subject.slice(entry.subject.indexOf('/') + 1);
  const weight = entry.after?.['weight'];
  switch (entry.action) {
    case 'release.created':
      return `${id}: the pushed tag became a release (commit ${String(entry.after?.['commit']).slice(0, 8)}, signed by ${String(entry.after?.['signer'])})`;
    case 'build.succeeded':
    case 'build.finished':
      return `${id}: built`;
    case 'candidate.created':
      return `${id}: candidate ${String(entry.after?.['digest']).slice(0, 19)}…`;
    case 'candidate.revised':
      return `${id}: the candidate changed; what was said about the one before is void`;
    case 'approval.requested':
      return `${id}: people are asked: ${Object.keys((entry.after?.['roles'] as object | undefined) ?? {}).join(', ')}`;
    case 'approval.given':
      return `${id}: ${entry.actor} approved`;
    case 'deployment.traffic-shifted':
      return `${id}: ${String(weight)} % of users — ${entry.reason ?? ''}`;
    case 'analysis.verdict':
      return `${id}: ${entry.reason ?? 'verdict'}`;
    case 'deployment.traffic-withdrawn':
      return `${id}: no traffic any more, ${String(entry.after?.['millisecondsAfterDecision'])} ms after the verdict`;
    case 'release.completed':
    case 'release.rolled-back':
    case 'release.failed':
      return `${id}: ${entry.action.slice('release.'.length)} — ${entry.reason ?? ''}`;
    default:
      return undefined;
  }
}
