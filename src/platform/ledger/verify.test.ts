import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { signCheckpoint } from './checkpoint.ts';
import { CompactRange, leafHash } from './merkle-tree.ts';
import { noteSigner, noteVerifier } from './signed-note.ts';
import { type LedgerRecord, type Verification, verifyRecords } from './verify.ts';

const key = noteSigner('example.com/log', generateKeyPairSync('ed25519').privateKey);
const verifier = noteVerifier(key.verifierKey);
type EntryRecord = Extract<LedgerRecord, { kind: 'entry' }>;

function entry(index: number, leaf = `leaf ${index}`): EntryRecord {
  return { kind: 'entry', index, leaf, stored: [leafHash(leaf)] };
}

/** An honest ledger with checkpoints at these sizes. */
function ledger(...sizes: readonly number[]): LedgerRecord[] {
  const tree = new CompactRange();
  return sizes.flatMap((size) => {
    const records: LedgerRecord[] = [];
    while (tree.size < size) {
      records.push(entry(tree.size));
      tree.append(leafHash(`leaf ${tree.size}`));
    }
    records.push({ kind: 'checkpoint', note: signCheckpoint({ origin: key.name, size, root: tree.root() }, key) });
    return records;
  });
}

function noteAt(size: number, records = ledger(size)): string {
  return records.flatMap((record) => (record.kind === 'checkpoint' ? [record.note] : [])).at(-1) ?? '';
}

async function verify(records: readonly LedgerRecord[], anchors: readonly string[] = []): Promise<Verification> {
  async function* pages() {
    for (let at = 0; at < records.length; at += 3) yield records.slice(at, at + 3);
  }
  return verifyRecords(pages(), { verifier, anchors });
}

function replace(records: readonly LedgerRecord[], index: number, by: (record: EntryRecord) => readonly LedgerRecord[]): LedgerRecord[] {
  return records.flatMap((record) => (record.kind === 'entry' && record.index === index ? by(record) : [record]));
}

test('an honest ledger verifies, whatever its checkpoints', async () => {
  const sizes = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1 }).map((list) => list.toSorted((a, b) => a - b));
  await fc.assert(
    fc.asyncProperty(sizes, async (list) => {
      expect(await verify(ledger(...list), [noteAt(list.at(-1) ?? 1)])).toMatchObject({
        verdict: 'verified',
        size: list.at(-1),
        checkpoints: list.length,
      });
    }),
  );
});

test('an empty ledger verifies', async () => {
  expect(await verify([])).toMatchObject({ verdict: 'verified', size: 0, root: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' });
});

describe('the first bad index', () => {
  const good = ledger(4, 9, 20);

  test('of any single edited entry is exact', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(19), async (index) => {
        const edited = replace(good, index, (record) => [{ ...record, leaf: `${record.leaf}!` }]);
        expect((await verify(edited)).finding).toMatchObject({ code: 'entry.edited', firstBadIndex: index });
      }),
    );
  });

  test('is the first of several edits', async () => {
    const edited = [15, 6, 11].reduce((records, index) => replace(records, index, (record) => [{ ...record, leaf: 'edited' }]), good);

    expect((await verify(edited)).finding).toMatchObject({ firstBadIndex: 6 });
  });

  test('of a deleted entry is its own', async () => {
    expect((await verify(replace(good, 6, () => []))).finding).toMatchObject({ code: 'entry.missing', firstBadIndex: 6 });
    expect((await verify(replace(good, 8, () => []))).finding).toMatchObject({ code: 'entry.missing', firstBadIndex: 8 });
  });

  test('of swapped entries is the first of the two', async () => {
    const swapped = replace(
      replace(good, 6, () => [entry(7)]),
      7,
      (record) => (record.leaf === 'leaf 7' ? [record] : []),
    );
    expect((await verify(swapped)).finding).toMatchObject({ code: 'entry.missing', firstBadIndex: 6 });

    const renumbered = replace(good, 6, (record) => [{ ...record, leaf: 'leaf 7' }]);
    expect((await verify(renumbered)).finding).toMatchObject({ code: 'entry.edited', firstBadIndex: 6 });
  });

  test('of an inserted entry is where it stands', async () => {
    expect((await verify(replace(good, 6, (record) => [record, entry(6, 'forged')]))).finding).toMatchObject({
      code: 'entry.out-of-order',
      firstBadIndex: 7,
    });
  });

  test('of an entry added at the end is the first no checkpoint covers', async () => {
    expect((await verify([...good, entry(20)])).finding).toMatchObject({ code: 'entry.unsigned', firstBadIndex: 20 });
  });

  test('of a ledger cut off is where it ends, when a later checkpoint is known', async () => {
    const cut = good.slice(0, 11);

    expect((await verify(cut)).verdict).toBe('verified');
    expect((await verify(cut, [noteAt(20)])).finding).toMatchObject({ code: 'entry.missing', firstBadIndex: 9 });
  });

  test('of a line that cannot be read is its own', async () => {
    expect((await verify(replace(good, 6, () => [{ kind: 'unreadable', detail: 'x' }]))).finding).toMatchObject({
      code: 'entry.unreadable',
      firstBadIndex: 6,
    });
  });

  test('of an entry whose columns say something else is its own', async () => {
    const contradicted = replace(good, 6, (record) => [{ ...record, contradiction: 'its column actor says "eve"' }]);

    expect((await verify(contradicted)).finding).toMatchObject({ code: 'entry.contradicted', firstBadIndex: 6 });
  });
});

describe('when hashes were rewritten along with entries', () => {
  const good = ledger(4, 9, 10, 20);

  test('the checkpoints tell between which two of them', async () => {
    expect((await verify(replace(good, 6, () => [entry(6, 'forged')]))).finding).toMatchObject({
      code: 'checkpoint.root',
      within: { from: 4, to: 9 },
    });
  });

  test('the index is exact when only one entry is between them', async () => {
    expect((await verify(replace(good, 9, () => [entry(9, 'forged')]))).finding).toMatchObject({
      code: 'checkpoint.root',
      firstBadIndex: 9,
    });
  });

  test('an edit found later in the same stretch does not hide the rewritten one before it', async () => {
    const both = replace(
      replace(good, 5, () => [entry(5, 'forged')]),
      8,
      (record) => [{ ...record, leaf: 'edited' }],
    );

    expect((await verify(both)).finding).toMatchObject({ code: 'checkpoint.root', within: { from: 4, to: 9 } });
  });

  test('a wholly rewritten ledger under another key fails', async () => {
    const stranger = noteSigner(key.name, generateKeyPairSync('ed25519').privateKey);
    const tree = new CompactRange();
    tree.append(leafHash('forged'));
    const note = signCheckpoint({ origin: key.name, size: 1, root: tree.root() }, stranger);

    expect((await verify([entry(0, 'forged'), { kind: 'checkpoint', note }])).finding).toMatchObject({
      code: 'checkpoint.signature',
      within: { from: 0, to: 1 },
    });
  });

  test('a fork that our own key signed is told by a checkpoint kept elsewhere', async () => {
    const tree = new CompactRange();
    for (const leaf of ['leaf 0', 'forked']) tree.append(leafHash(leaf));
    const fork: LedgerRecord[] = [
      entry(0),
      entry(1, 'forked'),
      { kind: 'checkpoint', note: signCheckpoint({ origin: key.name, size: 2, root: tree.root() }, key) },
    ];

    expect((await verify(fork)).verdict).toBe('verified');
    expect((await verify(fork, [noteAt(2)])).finding).toMatchObject({ code: 'checkpoint.root', within: { from: 0, to: 2 } });
  });
});

test('a checkpoint to compare with that our key did not sign is a failure, not ignored', async () => {
  const forged = noteAt(4).replace('\n4\n', '\n5\n');

  expect((await verify(ledger(4), [forged])).finding).toMatchObject({ code: 'checkpoint.signature' });
  expect((await verify([], ['garbage'])).finding).toMatchObject({ code: 'checkpoint.signature' });
});

test('checkpoints out of their place are refused', async () => {
  const [first, second] = [noteAt(4), noteAt(9, ledger(9))];
  const records = ledger(9).filter(({ kind }) => kind === 'entry');

  expect((await verify([...records, { kind: 'checkpoint', note: first }])).finding).toMatchObject({ code: 'checkpoint.out-of-order' });
  expect((await verify([...records.slice(0, 4), { kind: 'checkpoint', note: second }])).finding).toMatchObject({
    code: 'entry.missing',
    firstBadIndex: 4,
  });
});
