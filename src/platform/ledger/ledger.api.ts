import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { Fault } from '../fault.ts';
import { decodeCursor, encodeCursor, pageOf, pageQuery, read, type Route } from '../http/index.ts';
import type { Entry } from './entry.ts';
import {
  consistencyProof,
  findEntry,
  inclusionProof,
  latestCheckpoint,
  ledgerBacklog,
  type LedgerEntry as StoredEntry,
  listEntries,
} from './ledger.store.ts';
import { formatProof } from './proof.ts';

const prefix = '/api/v1/ledger';

export interface LedgerRouteDeps {
  readonly db: Database;
  /** Who signs here, as auditors know it. Only the name and the verifier key leave. */
  readonly ledgerKey: { readonly name: string; readonly verifierKey: string };
}

const LedgerEntry = z
  .object({
    index: z.number().int(),
    id: z.string(),
    at: z.string().describe('By the clock of whoever wrote it'),
    integratedAt: z.iso.datetime().describe('By the clock of the database'),
    actor: z.string(),
    onBehalfOf: z.string().optional(),
    action: z.string(),
    subject: z.string(),
    related: z.array(z.string()).optional(),
    before: z.unknown().optional(),
    after: z.unknown().optional(),
    reason: z.string().optional(),
    leaf: z.string().describe('The text that was hashed: SHA-256 over a zero byte and its UTF-8 is the leaf hash'),
  })
  .meta({ id: 'LedgerEntry' });

const LedgerHead = z
  .object({
    origin: z.string(),
    key: z.string().describe('Verifier key (c2sp.org/signed-note); keep a copy of your own'),
    size: z.number().int(),
    root: z.string().describe('Tree hash, base64'),
    signedAt: z.iso.datetime().optional(),
    pending: z.number().int().describe('Recorded, not yet under a checkpoint; counted up to 10,000'),
  })
  .meta({ id: 'LedgerHead' });

const LedgerConsistency = z
  .object({
    from: z.number().int(),
    to: z.number().int(),
    proof: z.array(z.string()).describe('Tree hashes, base64'),
    checkpoint: z.string().describe('The signed note at `to`'),
  })
  .meta({ id: 'LedgerConsistency' });

const entryParams = z.object({ index: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER) });
const Name = z.string().min(1).max(512);

/** Reads of the ledger. Tiles and the export are served by `mountLedgerFiles`: they are bytes and streams. */
export function ledgerRoutes(deps: LedgerRouteDeps): readonly Route[] {
  return [readHead(deps), readCheckpoint(deps), readConsistency(deps), listRoute(deps), readEntry(deps), readProof(deps)];
}

function readHead({ db, ledgerKey }: LedgerRouteDeps): Route {
  return read({
    path: prefix,
    operation: 'readLedger',
    access: 'ledger.read',
    summary: 'Size, tree hash and key of the ledger',
    result: LedgerHead,
    handle: async () => {
      const [checkpoint, { pending }] = await Promise.all([latestCheckpoint(db), ledgerBacklog(db)]);
      const head = { origin: ledgerKey.name, key: ledgerKey.verifierKey, pending };
      if (checkpoint === undefined) return { body: { ...head, size: 0, root: '' } };
      const { size, root, signedAt } = checkpoint;
      return { body: { ...head, size, root: root.toString('base64'), signedAt: signedAt.toISOString() } };
    },
  });
}

function readCheckpoint({ db }: LedgerRouteDeps): Route {
  return read({
    path: `${prefix}/checkpoint`,
    operation: 'readLedgerCheckpoint',
    access: 'ledger.read',
    summary: 'The latest signed checkpoint (c2sp.org/tlog-checkpoint); whoever keeps one can later tell a ledger that was cut off',
    result: z.string(),
    answers: 'text/plain',
    handle: async () => {
      const checkpoint = await latestCheckpoint(db);
      if (checkpoint === undefined) throw unknown('the ledger is empty');
      return { body: checkpoint.note };
    },
  });
}

function readConsistency({ db }: LedgerRouteDeps): Route {
  return read({
    path: `${prefix}/consistency`,
    operation: 'readLedgerConsistency',
    access: 'ledger.read',
    summary: 'Proof that the ledger of an earlier size is the beginning of the present one (RFC 9162 §2.1.4)',
    query: z.strictObject({ from: z.coerce.number().int().min(0).describe('Size of a checkpoint you kept') }),
    result: LedgerConsistency,
    handle: async ({ query: { from } }) => {
      const checkpoint = await latestCheckpoint(db);
      if (checkpoint === undefined || from > checkpoint.size) throw unknown(`a checkpoint of ${from} entries or more`);
      const proof = await consistencyProof(db, from, checkpoint.size);
      return { body: { from, to: checkpoint.size, proof: proof.map((hash) => hash.toString('base64')), checkpoint: checkpoint.note } };
    },
  });
}

function listRoute({ db }: LedgerRouteDeps): Route {
  return read({
    path: `${prefix}/entries`,
    operation: 'listLedgerEntries',
    access: 'ledger.read',
    summary: 'Who did what, when and why',
    query: z.strictObject({
      ...pageQuery,
      subject: Name.optional().describe('Own or related subject: release/storefront@1.1.0'),
      actor: Name.optional(),
      action: Name.optional().describe('approval.given'),
      order: z.enum(['newest-first', 'oldest-first']).default('newest-first'),
    }),
    result: pageOf(LedgerEntry),
    handle: async ({ query }) => {
      const { limit, cursor, subject, actor, action, order } = query;
      const filter = {
        ...(subject !== undefined && { subject }),
        ...(actor !== undefined && { actor }),
        ...(action !== undefined && { action }),
      };
      const after = cursor === undefined ? {} : { after: decodeCursor(cursor, z.tuple([z.number().int().min(0)]))[0] };
      const rows = await listEntries(db, { ...filter, ...after, order, limit: limit + 1 });
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      return { body: { items: items.map(shown), ...(rows.length > limit && last && { nextCursor: encodeCursor([last.index]) }) } };
    },
  });
}

function readEntry({ db }: LedgerRouteDeps): Route {
  return read({
    path: `${prefix}/entries/:index`,
    operation: 'readLedgerEntry',
    access: 'ledger.read',
    summary: 'One entry',
    params: entryParams,
    result: LedgerEntry,
    handle: async ({ params }) => {
      const entry = await findEntry(db, params.index);
      if (entry === undefined) throw unknown(`entry ${params.index}`);
      return { body: shown(entry) };
    },
  });
}

function readProof({ db }: LedgerRouteDeps): Route {
  return read({
    path: `${prefix}/entries/:index/proof`,
    operation: 'readLedgerProof',
    access: 'ledger.read',
    summary: 'The receipt of an entry (c2sp.org/tlog-proof): verified offline with `tidegate audit verify --proof`',
    params: entryParams,
    result: z.string(),
    answers: 'text/plain',
    handle: async ({ params }) => {
      const proof = await inclusionProof(db, params.index);
      if (proof === undefined) throw unknown(`entry ${params.index} under a checkpoint`);
      return { body: formatProof(proof) };
    },
  });
}

type ShownEntry = z.infer<typeof LedgerEntry>;

function shown({ index, entry, leaf, integratedAt }: StoredEntry): ShownEntry {
  const { id, at, actor, onBehalfOf, action, subject, related, before, after, reason } = entry satisfies Entry;
  return {
    index,
    id,
    at,
    integratedAt: integratedAt.toISOString(),
    actor,
    ...(onBehalfOf !== undefined && { onBehalfOf }),
    action,
    subject,
    ...(related !== undefined && { related: [...related] }),
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    ...(reason !== undefined && { reason }),
    leaf,
  };
}

function unknown(what: string): Fault {
  return new Fault({
    code: 'ledger.unknown',
    status: 404,
    message: `expected it in the ledger, got nothing: ${what}`,
    remedy: 'What was recorded a moment ago gets its index within a second.',
  });
}
