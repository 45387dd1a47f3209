import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/support/database.ts';
import { integrated, recordAll, someChange, until } from '../../../test/support/ledger.ts';
import { loadLedgerKey } from './ledger-key.ts';
import { ledgerSize, listEntries } from './ledger.store.ts';
import { verifyLedger } from './verify.store.ts';

const program = join(import.meta.dirname, '../../../test/support/ledger.process.ts');
const children = new Set<ChildProcess>();
let database: TestDatabase;
let home: string;

beforeAll(async () => {
  database = await testDatabase();
  home = await mkdtemp(join(tmpdir(), 'tidegate-ledger-'));
});
afterEach(async () => {
  await Promise.all([...children].map(kill));
});
afterAll(async () => {
  await database.close();
  await rm(home, { recursive: true });
});

function start(role: 'sequencer' | 'writer', name = ''): ChildProcess {
  const child = spawn(process.execPath, [program, role, database.url, home, name], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  children.delete(child);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Every serial this writer saw committed before it was killed. */
function committedBy(writer: ChildProcess, name: string, into: Set<string>): void {
  if (writer.stdout) createInterface(writer.stdout).on('line', (serial) => into.add(`write/${name}-${serial}`));
}

/** mulberry32: the same kills for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const seed = Number(process.env['TIDEGATE_SEED'] ?? Date.now() % 1_000_000);

test(`killed with -9 at any instant, sequencers and writers lose and double nothing (TIDEGATE_SEED=${seed})`, async () => {
  const draw = random(seed);
  const committed = new Set<string>();
  let names = 0;
  const startWriter = (): ChildProcess => {
    const name = `w${(names += 1)}`;
    const writer = start('writer', name);
    committedBy(writer, name, committed);
    return writer;
  };
  const roles = [() => start('sequencer'), () => start('sequencer'), startWriter, startWriter];
  const running = roles.map((startOne) => startOne());

  for (let kills = 0; kills < 24; kills += 1) {
    const size = await ledgerSize(database.db);
    await until(async () => (await ledgerSize(database.db)) > size);
    await sleep(draw() * 120);
    const victim = Math.floor(draw() * roles.length);
    await kill(running[victim] as ChildProcess);
    running[victim] = (roles[victim] as () => ChildProcess)();
  }
  await Promise.all(running.slice(2).map(kill));
  await integrated(database.db);

  const entries = await listEntries(database.db, { limit: 1_000_000 });
  const subjects = entries.map(({ entry }) => entry.subject);
  expect(entries.map(({ index }) => index)).toEqual(entries.map((_, at) => at));
  expect(new Set(subjects).size).toBe(subjects.length);
  expect([...committed].filter((subject) => !subjects.includes(subject))).toEqual([]);
  expect(committed.size).toBeGreaterThan(100);
  const { verifierKey } = await loadLedgerKey({ home });
  expect(await verifyLedger(database.db, { verifierKey })).toMatchObject({ verdict: 'verified', size: entries.length });
});

test('a sequencer stopped with SIGSTOP is replaced, and changes nothing when it wakes up', async () => {
  const stopped = start('sequencer');
  await recordAll(database.db, [someChange(1)]);
  await integrated(database.db);
  stopped.kill('SIGSTOP');
  const other = start('sequencer');
  await recordAll(database.db, [someChange(2)]);
  await integrated(database.db);

  stopped.kill('SIGCONT');
  await recordAll(database.db, [someChange(3)]);
  await integrated(database.db);

  const { rows } = await sql<{ holders: number }>`
    select count(*) as holders from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and datname = current_database() and application_name = 'tidegate sequencer'
  `.execute(database.db);
  expect(rows).toEqual([{ holders: 1 }]);
  expect((await verifyLedger(database.db, { verifierKey: (await loadLedgerKey({ home })).verifierKey })).verdict).toBe('verified');
  await kill(other);
});
