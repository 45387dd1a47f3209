import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { JudgeSettings } from '../judge.ts';
import { CountsReader } from './counts-csv.ts';
import { badInput, InputFaults } from './input-faults.ts';
import { readWhole, sourceName } from './input.reader.ts';
import { JsonLines } from './json-lines.ts';
import { settingsOf, type JudgeFlags } from './judge-options.ts';
import { latencyBatchOf } from './latency-batches.ts';
import { reportPage, type LatencyReport, type RunReport } from './report-page.ts';
import { CountTrace, LatencyTrace } from './report-trace.ts';
import { guarded } from './terminal.writer.ts';

interface ReportArguments extends JudgeFlags {
  readonly input?: string;
  readonly latency?: string;
  readonly run?: string;
  readonly html?: string;
}

/** A page of more is not looked at. */
const MOST_RUNS = 12;

export function reportCommand(canary: Command): void {
  canary
    .command('report')
    .description('Draw the evidence, the bounds, the errors and the latency of both arms on one page')
    .option('--input <file>', 'CSV of counts, as for judge')
    .option('--latency <file>', 'JSON lines of latencies, as for judge')
    .option('--run <n>', `only this run of the counts (a page shows up to ${MOST_RUNS})`)
    .option('--html <file>', 'where to write the page; - for standard output')
    .option('--method <a1|a2|a3|a4>', 'as for judge')
    .option('--alpha <number>', 'as for judge')
    .option('--rho0 <ratio>', 'as for judge')
    .option('--ni <ratio>', 'as for judge')
    .option('--beta <number>', 'as for judge')
    .option('--restart-every <seconds>', 'as for judge')
    .option('--horizon <seconds>', 'as for judge')
    .option('--warm-up <seconds>', 'as for judge')
    .option('--minimum <seconds>', 'as for judge')
    .option('--deadline <seconds>', 'as for judge')
    .option('--control <stable|baseline>', 'as for judge')
    .action(guarded(report));
}

async function report(options: ReportArguments): Promise<void> {
  const { input, latency, html } = options;
  if ((input === undefined && latency === undefined) || html === undefined || (input === '-' && latency === '-')) {
    const detail = 'expected --html and --input or --latency or both, at most one of them standard input';
    throw badInput('options', [{ detail }], 'For example: --input counts.csv --html report.html');
  }
  const settings = settingsOf(options);
  const runs = input === undefined ? [] : await traceRuns(input, options.run, settings);
  const slow = latency === undefined ? null : await traceLatency(latency, settings);
  const source = [input, latency].flatMap((path) => (path === undefined ? [] : [sourceName(path)])).join(', ');
  write(html, reportPage({ source, settings, runs, latency: slow }));
}

async function traceRuns(path: string, only: string | undefined, settings: JudgeSettings): Promise<readonly RunReport[]> {
  if (only !== undefined && !/^\d+$/.test(only))
    throw badInput('options', [{ detail: `--run: expected a whole number, got ${only}` }], 'Correct it.');
  const traces = new Map<number | null, CountTrace>();
  const faults = new InputFaults(sourceName(path));
  const reader = new CountsReader(faults, ({ run, batch }) => {
    if (only !== undefined && run !== Number(only)) return;
    if (!traces.has(run) && traces.size <= MOST_RUNS) traces.set(run, new CountTrace(settings));
    traces.get(run)?.observe(batch);
  });
  await readWhole(path, reader, faults);
  if (traces.size > MOST_RUNS) tooMany(path, `expected at most ${MOST_RUNS} runs on a page, got more`);
  if (traces.size === 0) tooMany(path, `expected rows of run ${only}, got none`);
  return [...traces].map(([run, trace]) => ({ run, verdict: trace.verdict, buckets: trace.buckets }));
}

function tooMany(path: string, detail: string): never {
  throw badInput(sourceName(path), [{ detail }], 'Choose a run with --run.');
}

async function traceLatency(path: string, settings: JudgeSettings): Promise<LatencyReport> {
  const trace = new LatencyTrace(settings.alpha);
  const faults = new InputFaults(sourceName(path));
  const lines = new JsonLines(faults, (line) => {
    const batch = latencyBatchOf(line);
    if (batch) trace.observe(batch);
  });
  await readWhole(path, lines, faults);
  return { buckets: trace.buckets, rolledBackAt: trace.rolledBackAt };
}

function write(path: string, page: string): void {
  if (path === '-') {
    process.stdout.write(page);
    return;
  }
  try {
    writeFileSync(path, page);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'an error';
    throw badInput(path, [{ detail: `expected a file that can be written, got ${code}` }], 'Name a file in a folder that exists.');
  }
  process.stderr.write(`wrote ${path}\n`);
}
