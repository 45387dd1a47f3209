import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { integrated, recordAll, someChange, testLedger } from '../../../test/support/ledger.ts';
import { loadLedgerKey } from './ledger-key.ts';
import { latestCheckpoint } from './ledger.store.ts';

const program = join(import.meta.dirname, '../../tidegate.ts');
let database: TestDatabase;
let folder: string;
let key: string;
/** A checkpoint an auditor kept while the ledger had 150 entries. */
let kept: string;

beforeAll(async () => {
  database = await testDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tidegate-audit-'));
  const signer = await loadLedgerKey({ home: folder });
  key = signer.verifierKey;
  const { sequencer } = testLedger(database.url, signer);
  for (const half of [0, 150]) {
    await recordAll(
      database.db,
      Array.from({ length: 150 }, (_, at) => someChange(half + at)),
    );
    await integrated(database.db);
    if (half === 0) kept = (await latestCheckpoint(database.db))?.note ?? '';
  }
  await sequencer.stop();
  await writeFile(path('kept.checkpoint'), kept);
  await audit('export', '--out', path('good.jsonl'), '--tiles', path('tiles'), '--database-url', database.url);
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

function path(name: string): string {
  return join(folder, name);
}

interface Outcome {
  readonly exit: number | null;
  readonly out: string;
  readonly problem: string;
}

async function audit(...args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [program, 'audit', ...args], { env: { TIDEGATE_HOME: folder }, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  const [out, problem, exit] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { exit, out, problem };
}

/** A copy of the export with something done to it; `at(n)` is the line of entry n. */
async function altered(name: string, alter: Alteration): Promise<string> {
  const lines = (await readFile(path('good.jsonl'), 'utf8')).split('\n');
  const at = (index: number): number => lines.findIndex((line) => line.startsWith(`{"index":${index},`));
  await writeFile(path(name), alter(lines, at).join('\n'));
  return path(name);
}

type Alteration = (lines: readonly string[], at: (index: number) => number) => readonly string[];

test('an export verifies without database and server, and says where its key is from', async () => {
  const pinned = await audit('verify', '--file', path('good.jsonl'), '--key', key, '--checkpoint', path('kept.checkpoint'), '--json');
  const trusting = await audit('verify', '--file', path('good.jsonl'));

  expect(pinned.exit).toBe(0);
  expect(JSON.parse(pinned.out)).toMatchObject({ verdict: 'verified', size: 300, key, keyFrom: 'given' });
  expect(trusting.exit).toBe(0);
  expect(trusting.out).toContain('taken from the export itself: pin yours with --key');
});

test('the database and a folder of tiles verify alike', async () => {
  const found = await audit('verify', '--database-url', database.url, '--json');
  const tiles = await audit('verify', '--tiles', path('tiles'), '--json');

  expect([found.exit, tiles.exit]).toEqual([0, 0]);
  expect(JSON.parse(tiles.out)).toMatchObject({ size: 300, root: (JSON.parse(found.out) as { root: string }).root, keyFrom: 'home' });
});

describe('an export that was touched fails with 1 and the first bad index:', () => {
  test.each<[string, number, Alteration]>([
    ['edited', 42, (lines, at) => lines.with(at(42), (lines[at(42)] ?? '').replace('ada', 'eve'))],
    ['deleted', 42, (lines, at) => lines.toSpliced(at(42), 1)],
    ['swapped', 42, (lines, at) => lines.with(at(42), lines[at(43)] ?? '').with(at(43), lines[at(42)] ?? '')],
    ['inserted', 43, (lines, at) => lines.toSpliced(at(42), 0, lines[at(42)] ?? '')],
    ['cut off in the middle of a line', 42, (lines, at) => [...lines.slice(0, at(42)), (lines[at(42)] ?? '').slice(0, 50)]],
    ['cut off between lines', 42, (lines, at) => [...lines.slice(0, at(42)), '']],
  ])('%s', async (_, index, alter) => {
    const { exit, out } = await audit('verify', '--file', await altered('touched.jsonl', alter), '--key', key, '--json');

    expect([exit, (JSON.parse(out) as { firstBadIndex: number }).firstBadIndex]).toEqual([1, index]);
  });
});

test('a receipt proves its entry offline, and no other', async () => {
  await audit('prove', '42', '--database-url', database.url, '--out', path('r.tlog-proof'));
  await audit('prove', '42', '--file', path('good.jsonl'), '--out', path('again.tlog-proof'));
  const receipt = await readFile(path('r.tlog-proof'), 'utf8');
  await writeFile(path('other.tlog-proof'), receipt.replace('index 42', 'index 43'));

  expect(await readFile(path('again.tlog-proof'), 'utf8')).toBe(receipt);
  expect(await audit('verify', '--proof', path('r.tlog-proof'), '--key', key)).toMatchObject({
    exit: 0,
    out: expect.stringContaining('release/shop@42') as unknown,
  });
  expect((await audit('verify', '--proof', path('other.tlog-proof'), '--key', key)).exit).toBe(1);
});

test('what cannot be read or used exits with 2 and says why', async () => {
  await writeFile(path('no-export'), 'hello\n');
  const outcomes = await Promise.all([
    audit('verify', '--file', path('nowhere')),
    audit('verify', '--file', path('no-export')),
    audit('verify', '--file', path('good.jsonl'), '--key', 'nonsense'),
    audit('verify', '--proof', path('no-export')),
    audit('prove', '300', '--file', path('good.jsonl')),
    audit('verify', '--file', 'a', '--tiles', 'b'),
  ]);

  expect(outcomes.map(({ exit }) => exit)).toEqual([2, 2, 2, 2, 2, 2]);
  expect(outcomes.map(({ problem }) => problem.length > 0)).toEqual(outcomes.map(() => true));
});
