/**
 * `npm run bench -- [--json] [--only PREFIX]`: every figure of bench/figures.ts, or those whose name begins with PREFIX.
 * `--json` prints one flat JSON object on standard output; otherwise a table with goals. Progress goes to standard error.
 * Exit 0 when everything asked for was measured, whether or not a goal holds; 1 when a part failed; 2 on bad input.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { startEmbeddedPostgres, stopEmbeddedPostgres } from '../src/platform/database/embedded-postgres.ts';
import { type Figure, figures, holds } from './figures.ts';
import { cleaningUp } from './scratch-home.ts';

type Report = (name: string, value: number) => void;

interface Context {
  /** A PostgreSQL of this run, with the settings of the product; parts make databases of their own in it. */
  readonly adminUrl: () => Promise<string>;
  /** Whether this figure was asked for. */
  readonly isWanted: (name: string) => boolean;
}

interface Part {
  /** Its figures begin with one of these. */
  readonly prefixes: readonly string[];
  readonly run: (context: Context, report: Report) => Promise<void>;
}

/** Loaded when their turn comes: what one part compiles or allocates is not in the way of the next. The longest is last. */
const parts: readonly Part[] = [
  { prefixes: ['decide.'], run: async (_, report) => (await import('./decide.bench.ts')).decideBench(report) },
  { prefixes: ['judge.'], run: async (_, report) => (await import('./judge.bench.ts')).judgeBench(report) },
  {
    prefixes: ['ledger.'],
    run: async ({ adminUrl }, report) => (await import('./ledger.bench.ts')).ledgerBench({ adminUrl: await adminUrl() }, report),
  },
  {
    prefixes: ['reconcile.'],
    run: async ({ adminUrl }, report) => (await import('./reconcile.bench.ts')).reconcileBench({ adminUrl: await adminUrl() }, report),
  },
  { prefixes: ['router.', 'upstream.'], run: async (_, report) => (await import('./router.bench.ts')).routerBench(report) },
  { prefixes: ['start.'], run: async (_, report) => (await import('./start.bench.ts')).startBench(report) },
  {
    prefixes: ['scale.'],
    run: async ({ adminUrl, isWanted }, report) =>
      (await import('./scale.bench.ts')).scaleBench({ adminUrl: await adminUrl(), isWanted }, report),
  },
  { prefixes: ['rollback.'], run: async (_, report) => (await import('./rollback.bench.ts')).rollbackBench(report) },
  { prefixes: ['canary.'], run: async ({ isWanted }, report) => (await import('./canary.bench.ts')).canaryBench(report, isWanted) },
];

const flags = parseFlags();
const isWanted = (name: string): boolean => name.startsWith(flags.only);
const wanted = figures.filter(({ name }) => isWanted(name));
if (wanted.length === 0)
  refuse(`expected the beginning of a figure's name, got ${flags.only}; there are: ${figures.map(({ name }) => name).join(', ')}`);

const measured = new Map<string, number>();
let failed = false;
const database = scratchDatabase();
await cleaningUp(database.end, async () => {
  for (const part of parts) await measure(part);
});
print();
process.exit(failed ? 1 : 0);

async function measure({ prefixes, run }: Part): Promise<void> {
  if (!wanted.some(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)))) return;
  say(`${prefixes.join(' ')} …  (load ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores)`);
  try {
    await run({ adminUrl: database.url, isWanted }, note);
  } catch (error) {
    failed = true;
    say(`${prefixes.join(' ')} was not measured: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

function note(name: string, value: number): void {
  if (!figures.some((figure) => figure.name === name)) throw new Error(`expected a figure that bench/figures.ts names, got ${name}`);
  if (!isWanted(name)) return;
  measured.set(name, value);
  say(`  ${name} ${rounded(value)}`);
}

function print(): void {
  // JSON has no Infinity: half of the runs did not notice within the hour. Left out, and said so above.
  const finite = [...measured].filter(([, value]) => Number.isFinite(value));
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(Object.fromEntries(finite.map(([name, value]) => [name, rounded(value)])))}\n`);
    return;
  }
  const table = new Table({
    head: ['figure', 'measured', 'goal', 'holds'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'left'],
  });
  table.push(...wanted.map(rowOf));
  process.stdout.write(`${table.toString()}\n`);
}

function rowOf(figure: Figure): string[] {
  const value = measured.get(figure.name);
  const goal = figure.atLeast === undefined ? (figure.atMost === undefined ? '' : `≤ ${figure.atMost}`) : `≥ ${figure.atLeast}`;
  if (value === undefined) return [figure.name, 'not measured', goal, goal === '' ? '' : 'NO'];
  const held = holds(figure, value);
  return [figure.name, String(rounded(value)), goal, held === undefined ? '' : held ? 'yes' : 'NO'];
}

/** Four significant digits: more would be noise. */
function rounded(value: number): number {
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));
}

/** Starts with the first part that needs it. */
function scratchDatabase() {
  let started: Promise<{ readonly folder: string; readonly url: string }> | undefined;
  const start = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidegate-bench-postgres-'));
    const { url } = await startEmbeddedPostgres({ folder });
    return { folder, url };
  };
  return {
    url: async () => (await (started ??= start())).url,
    end: async () => {
      const running = await started?.catch(() => undefined);
      if (!running) return;
      await stopEmbeddedPostgres(running.folder);
      await rm(running.folder, { recursive: true, force: true });
    },
  };
}

function parseFlags(): { readonly json: boolean; readonly only: string } {
  try {
    const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, only: { type: 'string', default: '' } } });
    return values;
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : String(error)}; npm run bench -- [--json] [--only PREFIX]`);
  }
}

function refuse(sentence: string): never {
  say(sentence);
  process.exit(2);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
