import { z } from 'zod';
import { Fault } from '../fault.ts';

/** Query members of every list. Spread into a route's query: `z.strictObject({ ...pageQuery, kind: z.string().optional() })`. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('Rows on a page, 1 to 200'),
  cursor: z.string().max(512).optional().describe('`nextCursor` of the page before; opaque'),
};

export interface Page<Row> {
  readonly items: readonly Row[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

/** The schema of a page of rows. */
export function pageOf<Row extends z.ZodType>(row: Row): z.ZodObject<{ items: z.ZodArray<Row>; nextCursor: z.ZodOptional<z.ZodString> }> {
  return z.object({ items: z.array(row), nextCursor: z.string().optional() });
}

/** Where a page ended, as text. The key is a tuple of what the list is ordered by. */
export function encodeCursor(key: readonly (string | number)[]): string {
  const bytes = new TextEncoder().encode(JSON.stringify(key));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** The key of a cursor, checked against its schema; anything else is a Fault 400: a cursor carries no rights, so it needs no signature. */
export function decodeCursor<Key extends z.ZodType>(cursor: string, key: Key): z.infer<Key> {
  const parsed = key.safeParse(jsonOfCursor(cursor));
  if (parsed.success) return parsed.data;
  throw new Fault({
    code: 'cursor.malformed',
    status: 400,
    message: 'expected the nextCursor of an earlier page of this list, got something else',
    remedy: 'Start again without a cursor.',
  });
}

function jsonOfCursor(cursor: string): unknown {
  try {
    const bytes = Uint8Array.from(atob(cursor.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined; // not a cursor: the caller's schema refuses undefined
  }
}

/** Cuts `limit + 1` fetched rows to a page; the extra row only tells that there is more. */
export function pageFrom<Row>(rows: readonly Row[], limit: number, keyOf: (row: Row) => readonly (string | number)[]): Page<Row> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, nextCursor: encodeCursor(keyOf(last)) } : { items };
}
