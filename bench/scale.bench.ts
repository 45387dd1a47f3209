import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import pg from 'pg';
import { createClient, unwrap } from '../src/client/client.ts';
import { connectDatabase } from '../src/platform/database/connect.ts';
import { migrateDatabase } from '../src/platform/database/migrate.ts';
import { loadLedgerKey } from '../src/platform/ledger/ledger-key.ts';
import { pathsOf } from '../src/platform/settings.ts';
import { type SeededPlatform, seedPlatform } from '../test/support/seed-platform.ts';
import { cleaningUp, withScratchHome } from './scratch-home.ts';

type Report = (name: string, value: number) => void;

const size = { applications: 20, releases: 10_000, entries: 1_000_000, freezes: 200 };
const samples = 1_000;
const warmUps = 50;
/** The edge allows 6,000 requests a minute and principal: several take turns. */
const readers = 12;

/**
 * Reads over HTTP of a real server process on a database of 10,000 releases of 20 applications and 1,000,000 ledger
 * entries, one request at a time, from the request to the last byte of its answer. Median and 99th percentile of 1,000 each:
 * `scale.status_ms`, `scale.why_ms` (any release), `scale.releases_ms` (walks of pages, plain and filtered by application, by
 * each state, by both), `scale.ledger_entries_ms` (from either end, by subject, actor, action, and pairs of them),
 * `scale.ledger_proof_ms` (any entry).
 */
export async function scaleBench(
  { adminUrl, isWanted }: { readonly adminUrl: string; readonly isWanted: (name: string) => boolean },
  report: Report,
): Promise<void> {
  await withScratchHome((home) =>
    withScratchDatabase(adminUrl, async (databaseUrl) => {
      const seeded = await seed(databaseUrl, home);
      report('scale.releases', size.releases);
      report('scale.ledger_entries', size.entries);
      await withServer(databaseUrl, home, async (url, tokens) => measureReads({ url, tokens, seeded, isWanted }, report));
    }),
  );
}

async function seed(databaseUrl: string, home: string): Promise<SeededPlatform> {
  await migrateDatabase(databaseUrl);
  const db = connectDatabase(databaseUrl, { applicationName: 'bench seed', statementTimeoutMs: 0 });
  try {
    process.stderr.write(`  seeding ${size.releases} releases and ${size.entries} ledger entries, some minutes …\n`);
    return await seedPlatform(db, { ...size, ledgerKey: await loadLedgerKey({ home }), now: new Date() });
  } finally {
    await db.destroy();
  }
}

interface Reads {
  readonly url: string;
  readonly tokens: readonly string[];
  readonly seeded: SeededPlatform;
  readonly isWanted: (name: string) => boolean;
}

/** Says the next path to ask for, given the `nextCursor` of the answer before. */
type Walk = (cursor: string | undefined) => string;

export async function measureReads({ url, tokens, seeded, isWanted }: Reads, report: Report): Promise<void> {
  const any = seededChoice();
  const walks: Readonly<Record<string, Walk>> = {
    'scale.status_ms': () => '/api/v1/status',
    'scale.why_ms': () => `/api/v1/releases/${encodeURIComponent(any(seeded.releases))}/why`,
    'scale.releases_ms': walkOf('/api/v1/releases', releaseFilters(seeded)),
    'scale.ledger_entries_ms': walkOf('/api/v1/ledger/entries', entryFilters(seeded)),
    'scale.ledger_proof_ms': () => `/api/v1/ledger/entries/${any.below(size.entries)}/proof`,
  };
  for (const [name, walk] of Object.entries(walks)) {
    if (!isWanted(`${name}_p50`) && !isWanted(`${name}_p99`)) continue;
    const times = await timesOf(url, tokens, walk);
    report(`${name}_p50`, times[Math.ceil(samples * 0.5) - 1] ?? Number.NaN);
    report(`${name}_p99`, times[Math.ceil(samples * 0.99) - 1] ?? Number.NaN);
  }
}

const states = ['active', 'completed', 'rolling-back', 'rolled-back', 'failed', 'cancelled'];

function releaseFilters({ applications }: SeededPlatform): readonly string[] {
  const some = applications.slice(0, 3).map((application) => `application=${application}`);
  const ofState = states.map((state) => `state=${state}`);
  return ['', ...some, ...ofState, ...some.flatMap((application) => ofState.map((state) => `${application}&${state}`))];
}

function entryFilters({ releases }: SeededPlatform): readonly string[] {
  const about = [0, 0.5, 0.99].map((part) => `subject=release/${releases[Math.floor(part * releases.length)]}`);
  const by = ['actor=sam', 'action=approval.given', 'actor=olga&action=approval.given', 'subject=environment/production'];
  const both = [...about, ...about.map((subject) => `${subject}&actor=sam`)];
  return ['', 'order=oldest-first', ...both, ...by, ...by.map((filter) => `${filter}&order=oldest-first`)];
}

/** Ten pages of each list in turn. */
function walkOf(path: string, filters: readonly string[]): Walk {
  let [turn, page] = [0, 0];
  return (cursor) => {
    const goesOn = cursor !== undefined && page > 0 && page < 10;
    if (!goesOn) [turn, page] = [turn + (page > 0 ? 1 : 0), 0];
    page += 1;
    const filter = filters[turn % filters.length] ?? '';
    return `${path}?${filter}${goesOn ? `&cursor=${cursor}` : ''}`;
  };
}

/** In milliseconds, rising. */
async function timesOf(url: string, tokens: readonly string[], walk: Walk): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  let cursor: string | undefined;
  for (let i = 0; i < warmUps + samples; i++) {
    const path = walk(cursor);
    const from = performance.now();
    const text = await get({ url: `${url}${path}`, token: tokens[i % tokens.length] ?? '', agent });
    times.push(performance.now() - from);
    cursor = /"nextCursor":"([^"]+)"/.exec(text)?.[1];
  }
  agent.destroy();
  return times.slice(warmUps).toSorted((a, b) => a - b);
}

function get({ url, token, agent }: { readonly url: string; readonly token: string; readonly agent: Agent }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request(url, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    response.on('end', () =>
      response.statusCode === 200 ? resolve(text) : reject(new Error(`expected 200 of ${url}, got ${response.statusCode}: ${text}`)),
    );
  })
    .on('error', reject)
    .end();
  return promise;
}

/** The same choices in every run. */
function seededChoice() {
  let state = 1;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Object.assign((names: readonly string[]): string => names[below(names.length)] ?? '', { below });
}

/** A server process of its own, as `npm run server` starts it. */
export async function withServer(
  databaseUrl: string,
  home: string,
  work: (url: string, tokens: readonly string[]) => Promise<void>,
): Promise<void> {
  const env = { ...process.env, TIDEGATE_HOME: home, DATABASE_URL: databaseUrl, PORT: '0', TIDEGATE_LOG_LEVEL: 'error' };
  const server = spawn(process.execPath, [join(import.meta.dirname, '../src/server.ts')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(server, 'close');
  await cleaningUp(
    async () => {
      server.kill('SIGTERM');
      await closed;
    },
    async () => {
      const url = await addressOf(server, closed);
      await work(url, await tokensOf(url, home));
    },
  );
}

async function addressOf(server: ChildProcess, closed: Promise<unknown>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = '';
  server.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
    const line = said.split('\n').find((each) => each.includes('"ready":true') && each.endsWith('}'));
    if (line !== undefined) resolve((JSON.parse(line) as { readonly url: string }).url);
  });
  void closed.then(() => reject(new Error(`expected the server to become ready, it ended: ${said}`)));
  return promise;
}

async function tokensOf(url: string, home: string): Promise<readonly string[]> {
  const administrator = createClient({ server: url, token: (await readFile(pathsOf(home).adminToken, 'utf8')).trim() });
  const names = Array.from({ length: readers }, (_, i) => `reader-${i}`);
  const resources = [
    ...names.map((name) => ({ kind: 'Principal', metadata: { name }, spec: { kind: 'bot', displayName: name } })),
    { kind: 'Role', metadata: { name: 'auditor' }, spec: { members: names } },
  ];
  const text = resources.map((resource) => JSON.stringify({ apiVersion: 'tidegate.dev/v1', ...resource })).join('\n---\n');
  await unwrap(administrator.POST('/api/v1/resources', { body: { files: [{ name: 'readers.yaml', text }] } }));
  const made = names.map((principal) => unwrap(administrator.POST('/api/v1/tokens', { body: { principal, description: 'bench' } })));
  return (await Promise.all(made)).map(({ token }) => token);
}

async function withScratchDatabase(adminUrl: string, work: (url: string) => Promise<void>): Promise<void> {
  const name = `bench_scale_${randomUUID().replaceAll('-', '')}`;
  const admin = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: adminUrl, application_name: 'bench' });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  await admin(`create database ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  try {
    await work(url.href);
  } finally {
    await admin(`drop database ${name} with (force)`);
  }
}
