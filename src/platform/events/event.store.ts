import type { Reader } from '../database/database.ts';
import { type EntryFilter, listEntries } from '../ledger/ledger.store.ts';
import { type Event, eventOf } from './event.ts';

export interface EventPage extends Pick<EntryFilter, 'subject'> {
  /** Events after this one; 0 from the beginning. */
  readonly afterId: number;
  readonly limit: number;
  /** CloudEvents `source`. */
  readonly source?: string;
}

/** Oldest first, index-backed by subject. What is after an id never changes but by growing: resuming loses and doubles nothing. */
export async function listEvents(db: Reader, { subject, afterId, limit, source }: EventPage): Promise<readonly Event[]> {
  const entries = await listEntries(db, { ...(subject !== undefined && { subject }), after: afterId - 1, limit });
  return entries.map(({ index, entry }) => eventOf(index, entry, source));
}
