import { sql } from 'kysely';
import type { Database, Transaction } from '../../src/platform/database/database.ts';
import type { Change } from '../../src/platform/ledger/change.ts';
import { signCheckpoint } from '../../src/platform/ledger/checkpoint.ts';
import { columnsOf, encodeEntry } from '../../src/platform/ledger/entry.ts';
import { leafHash } from '../../src/platform/ledger/merkle-tree.ts';
import type { NoteSigner } from '../../src/platform/ledger/signed-note.ts';
import { TileTree } from '../../src/platform/ledger/tiles.ts';

export interface LedgerSeed {
  readonly entries: number;
  /** Releases that the entries are about, oldest first: each has its share of them in turn. */
  readonly releases: readonly string[];
  /** Signs the checkpoints: the key of whoever goes on with this ledger. */
  readonly key: NoteSigner;
  readonly at: Date;
}

const perTransaction = 5_000;
const perCheckpoint = 100;
const actors = ['system:reconciler', 'dana', 'kim', 'sam', 'olga', 'bea', 'rita', 'storefront-git'];
const actions = [
  'release.created',
  'build.started',
  'build.succeeded',
  'candidate.created',
  'deployment.started',
  'deployment.traffic-shifted',
  'approval.requested',
  'approval.given',
  'analysis.verdict',
  'deployment.succeeded',
];

/**
 * Fills an empty ledger with entries, tiles and signed checkpoints, all of which verify and which the sequencer goes on
 * from: the rows are those it would have written, by the same functions, in larger transactions. Nothing may be integrating
 * meanwhile. A million entries take about two minutes.
 */
export async function seedLedger(db: Database, seed: LedgerSeed): Promise<void> {
  const tree = new TileTree();
  while (tree.size < seed.entries) {
    const count = Math.min(perTransaction, seed.entries - tree.size);
    const leaves = Array.from({ length: count }, (_, i) => leafOf(seed, tree.size + i));
    await db.transaction().execute(async (tx) => {
      await sql`set local synchronous_commit = off`.execute(tx);
      await insertLeaves(tx, tree.size, leaves);
      await growTree(tx, { tree, leaves, key: seed.key });
    });
  }
  await sql`analyze ledger_entry, ledger_subject, ledger_tile, ledger_checkpoint`.execute(db);
}

function leafOf({ entries, releases, at }: LedgerSeed, index: number): string {
  const release = releases[Math.floor((index * releases.length) / entries)] ?? 'none@0';
  const action = actions[index % actions.length] ?? 'release.created';
  const change: Change = {
    actor: actors[(index * 7) % actors.length] ?? 'dana',
    action,
    subject: action.startsWith('deployment.') ? `deployment/${release.replace('@', '-')}-production-1` : `release/${release}`,
    ...(action.startsWith('deployment.') ? { related: [`release/${release}`, 'environment/production'] } : {}),
    after: { weight: index % 100, candidate: `sha256:${String(index).padStart(64, '0')}`, artifact: `sha256:${'2'.repeat(64)}` },
    reason: 'passed early: not worse than twice the errors of the version before',
    at: new Date(at.getTime() + index * 1_000),
  };
  return encodeEntry(`01900000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`, change);
}

async function insertLeaves(tx: Transaction, first: number, leaves: readonly string[]): Promise<void> {
  const rows = leaves.map((leaf, i) => ({ index: first + i, leaf, ...columnsOf(leaf) }));
  await sql`insert into ledger_entry (index, leaf, leaf_hash, actor, action, subject)
    select * from unnest(${rows.map(({ index }) => index)}::bigint[], ${leaves}::text[], ${leaves.map(leafHash)}::bytea[],
      ${rows.map(({ actor }) => actor)}::text[], ${rows.map(({ action }) => action)}::text[], ${rows.map(({ subject }) => subject)}::text[])`.execute(
    tx,
  );
  const streams = rows.flatMap(({ index, subjects }) => subjects.map((subject) => ({ index, subject })));
  await sql`insert into ledger_subject (subject, index)
    select * from unnest(${streams.map(({ subject }) => subject)}::text[], ${streams.map(({ index }) => index)}::bigint[])`.execute(tx);
}

async function growTree(
  tx: Transaction,
  { tree, leaves, key }: { readonly tree: TileTree; readonly leaves: readonly string[]; readonly key: NoteSigner },
): Promise<void> {
  const checkpoints: { readonly size: number; readonly note: string }[] = [];
  for (const [i, leaf] of leaves.entries()) {
    tree.append(leafHash(leaf));
    if (tree.size % perCheckpoint === 0 || i === leaves.length - 1)
      checkpoints.push({ size: tree.size, note: signCheckpoint({ origin: key.name, size: tree.size, root: tree.root() }, key) });
  }
  const tiles = tree.takeChanged();
  await sql`insert into ledger_tile (level, index, hashes)
    select * from unnest(${tiles.map(({ level }) => level)}::smallint[], ${tiles.map(({ index }) => index)}::bigint[],
      ${tiles.map(({ hashes }) => hashes)}::bytea[])
    on conflict (level, index) do update set hashes = excluded.hashes`.execute(tx);
  await sql`insert into ledger_checkpoint (size, note)
    select * from unnest(${checkpoints.map(({ size }) => size)}::bigint[], ${checkpoints.map(({ note }) => note)}::text[])`.execute(tx);
}
