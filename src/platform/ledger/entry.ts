import { canonicalJson, digestOfBytes, type Digest, type Json } from '../digest.ts';
import { Fault, type FaultItem } from '../fault.ts';
import type { Change } from './change.ts';
import { MAX_LEAF_BYTES } from './tiles.ts';

/** A change as it stands in the ledger. Members that do not apply are absent. */
export interface Entry {
  /** UUID version 7, made by the writer. */
  readonly id: string;
  /** ISO 8601, of the writer's clock; the database keeps when it was integrated beside it. */
  readonly at: string;
  readonly actor: string;
  readonly onBehalfOf?: string;
  readonly action: string;
  readonly subject: string;
  readonly related?: readonly string[];
  readonly before?: Json | Commitment;
  readonly after?: Json | Commitment;
  readonly reason?: string;
}

/** Stands for a value too large for an entry: whoever holds the value can show that it is the one. */
export interface Commitment {
  /** SHA-256 of the value's RFC 8785 form. */
  readonly $digest: Digest;
  readonly bytes: number;
}

const ACTION = /^[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const SUBJECT = /^[a-z][a-z0-9-]*\/\S/;
const MAX_NAME = 512;
const MAX_RELATED = 64;

/**
 * The leaf: RFC 8785 JSON of the entry, at most 65,535 bytes of UTF-8. A `before` or `after` that does not fit is replaced
 * by a commitment. Throws Fault `ledger.invalid-change` with everything that is wrong.
 */
export function encodeEntry(id: string, change: Change): string {
  const faults = faultsOf(change);
  if (faults.length > 0) throw invalidChange(faults);
  const { actor, onBehalfOf, action, subject, related, before, after, reason } = change;
  const entry = {
    id,
    at: change.at.toISOString(),
    actor,
    onBehalfOf,
    action,
    subject,
    related: related?.length ? related : undefined,
    before,
    after,
    reason,
  };
  const leaf = encode(entry);
  if (Buffer.byteLength(leaf) <= MAX_LEAF_BYTES) return leaf;
  const smaller = encode({ ...entry, before: commitmentOf(before), after: commitmentOf(after) });
  const bytes = Buffer.byteLength(smaller);
  if (bytes <= MAX_LEAF_BYTES) return smaller;
  throw invalidChange([
    { pointer: '/reason', detail: `expected an entry of at most ${MAX_LEAF_BYTES} bytes without before and after, got ${bytes}` },
  ]);
}

/** Undefined when the text is not an entry that {@link encodeEntry} could have written. */
export function decodeEntry(leaf: string): Entry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(leaf);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object') return undefined;
  const { id, at, actor, action, subject, related } = value as Record<string, unknown>;
  if (![id, at, actor, action, subject].every(isText)) return undefined;
  if (related !== undefined && !(Array.isArray(related) && related.every(isText))) return undefined;
  return value as Entry;
}

/** The entry's own subject and its related ones, each once. */
export function subjectsOf(entry: Pick<Entry, 'subject' | 'related'>): readonly string[] {
  return [...new Set([entry.subject, ...(entry.related ?? [])])];
}

/** The parts of a leaf that lists are indexed by. A leaf that is no entry has none: the ledger keeps it all the same. */
export interface EntryColumns {
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly subjects: readonly string[];
}

/** The same for a leaf at any time: the sequencer writes them, the verifier compares them. */
export function columnsOf(leaf: string): EntryColumns {
  const entry = decodeEntry(leaf);
  if (entry === undefined) return { actor: '', action: '', subject: '', subjects: [] };
  return {
    actor: column(entry.actor),
    action: column(entry.action),
    subject: column(entry.subject),
    subjects: subjectsOf(entry)
      .slice(0, MAX_RELATED + 1)
      .map(column),
  };
}

/** {@link encodeEntry} leaves nothing to do here; a row put in by other means must not stop the ledger. */
function column(text: string): string {
  return text.slice(0, MAX_NAME).replaceAll('\0', '\uFFFD').toWellFormed();
}

function encode(entry: Record<string, unknown>): string {
  try {
    return canonicalJson(entry);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw invalidChange([{ detail: `expected plain JSON, got: ${detail}` }], cause);
  }
}

function commitmentOf(value: Json | undefined): Commitment | undefined {
  if (value === undefined) return undefined;
  const text = canonicalJson(value);
  const bytes = Buffer.byteLength(text);
  return { $digest: digestOfBytes(text), bytes };
}

function faultsOf({ actor, onBehalfOf, action, subject, related = [], at }: Change): FaultItem[] {
  const faults: FaultItem[] = [];
  const check = (good: boolean, pointer: string, expected: string, got: unknown): void => {
    if (!good) faults.push({ pointer, detail: `expected ${expected}, got ${JSON.stringify(got)?.slice(0, 120) ?? 'nothing'}` });
  };
  check(isName(actor), '/actor', 'the name of a principal', actor);
  check(onBehalfOf === undefined || isName(onBehalfOf), '/onBehalfOf', 'the name of a principal', onBehalfOf);
  check(isName(action) && ACTION.test(action), '/action', 'noun.verb-in-past', action);
  check(isName(subject) && SUBJECT.test(subject), '/subject', 'noun/id', subject);
  for (const [position, one] of related.entries()) check(isName(one) && SUBJECT.test(one), `/related/${position}`, 'noun/id', one);
  check(related.length <= MAX_RELATED, '/related', `at most ${MAX_RELATED} related subjects`, related.length);
  check(!Number.isNaN(at.getTime()), '/at', 'a time', String(at));
  return faults;
}

/** PostgreSQL's text cannot hold U+0000, and a name is an index key. */
function isName(text: string): boolean {
  return isText(text) && text !== '' && text.length <= MAX_NAME && !text.includes('\0');
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function invalidChange(faults: readonly FaultItem[], cause?: unknown): Fault {
  return new Fault({
    code: 'ledger.invalid-change',
    status: 500,
    message: `expected a change the ledger can hold, got: ${faults.map(({ pointer = '', detail }) => `${pointer} ${detail}`.trim()).join('; ')}`,
    remedy: 'The action was refused and nothing was changed; this is a fault of the program, please report it.',
    faults,
    cause,
  });
}
