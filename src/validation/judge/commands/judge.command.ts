import Table from 'cli-table3';
import type { Command } from 'commander';
import { argoStanding, flaggerStanding, kayentaStanding, type Standing } from './standing.ts';
import { judgeArgoLine } from './argo-cases.ts';
import { CountsReader } from './counts-csv.ts';
import { CountsJudge, type CountsAnswer } from './counts-judge.ts';
import { judgeFlaggerLine } from './flagger-cases.ts';
import { badInput, InputFaults } from './input-faults.ts';
import { readWhole, sourceName } from './input.reader.ts';
import { JsonLines, type JsonLine } from './json-lines.ts';
import { settingsOf, type JudgeFlags } from './judge-options.ts';
import { judgeKayentaLine } from './kayenta-cases.ts';
import { LatencyJudge, latencyBatchOf } from './latency-batches.ts';
import { ResultSpool } from './result-spool.writer.ts';
import { guarded, standingColour } from './terminal.writer.ts';

interface JudgeArguments extends JudgeFlags {
  readonly input?: string;
  readonly latency?: string;
  readonly kayenta?: string;
  readonly argo?: string;
  readonly flagger?: string;
  readonly json?: boolean;
  readonly exitCode?: boolean;
}

const MODES = ['input', 'latency', 'kayenta', 'argo', 'flagger'] as const;
type Mode = (typeof MODES)[number];

const EXIT_CODES: Readonly<Record<Standing, number>> = { good: 0, undecided: 3, bad: 7 };
/** Worst first. */
const SEVERITY: readonly Standing[] = ['bad', 'undecided', 'good'];
/** Rows a person reads; the rest is counted. */
const TABLE_ROWS = 200;

export function judgeCommand(canary: Command): void {
  canary
    .command('judge')
    .description('Judge recorded counts, latencies, or the cases of another system; - reads standard input')
    .option('--input <file>', 'CSV: run,second,canaryRequests,stableRequests,canaryErrors,stableErrors')
    .option('--latency <file>', 'JSON lines: {"canary":[ms…],"stable":[ms…]}')
    .option('--kayenta <file>', 'JSON lines of Kayenta metrics or canaries')
    .option('--argo <file>', 'JSON lines of Argo Rollouts analysis runs')
    .option('--flagger <file>', 'JSON lines of Flagger analyses')
    .option('--method <a1|a2|a3|a4>', 'a1 mixture, a2 two-sided, a3 restarts for late onset, a4 quickest (default: a1)')
    .option('--alpha <number>', 'chance of rolling back a canary that is no worse (default: 0.01)')
    .option('--rho0 <ratio>', 'how many times the errors of stable are tolerated (default: 1)')
    .option('--ni <ratio>', 'a canary this many times worse must not pass; off: never pass early (default: 2)')
    .option('--beta <number>', 'chance of passing such a canary (default: 0.05)')
    .option('--restart-every <seconds>', 'distance of the restarts of a3 and a4 (default: 60)')
    .option('--horizon <seconds>', 'how long will be watched, to spread the restarts over')
    .option('--warm-up <seconds>', 'first seconds that do not count (default: 0)')
    .option('--minimum <seconds>', 'no pass before this (default: 0)')
    .option('--deadline <seconds>', 'inconclusive when nothing is shown by then')
    .option('--control <stable|baseline>', 'the arm the canary is compared with (default: stable)')
    .option('--json', 'machine-readable')
    .option('--exit-code', 'exit with 7 on a rollback, 3 when nothing is decided')
    .action(guarded(judge));
}

async function judge(options: JudgeArguments): Promise<void> {
  const modes = MODES.filter((mode) => options[mode] !== undefined);
  const [mode] = modes;
  if (mode === undefined || modes.length > 1) {
    const detail = `expected one of ${MODES.map((name) => `--${name}`).join(', ')}, got ${modes.length === 0 ? 'none' : modes.map((name) => `--${name}`).join(' and ')}`;
    throw badInput('options', [{ detail }], 'Name one input: a file, or - for standard input.');
  }
  using results = new Results(options.json === true, mode);
  await READ[mode](options[mode] ?? '-', results, options);
  await results.print();
  if (options.exitCode === true) process.exitCode = EXIT_CODES[results.worst];
}

const READ: Readonly<Record<Mode, (path: string, results: Results, flags: JudgeFlags) => Promise<void>>> = {
  input: judgeCounts,
  latency: judgeLatency,
  kayenta: (path, results) =>
    judgeLines(path, (line) => {
      const answer = judgeKayentaLine(line);
      if (answer) results.add(answer, kayentaStanding(answer), ['classification' in answer ? answer.classification : '', answer.reason]);
    }),
  argo: (path, results) =>
    judgeLines(path, (line) => {
      const answer = judgeArgoLine(line);
      if (answer) results.add(answer, argoStanding(answer), [answer.phase, answer.message || answer.action]);
    }),
  flagger: (path, results) =>
    judgeLines(path, (line) => {
      const answer = judgeFlaggerLine(line);
      if (answer) results.add(answer, flaggerStanding(answer), [answer.phase, answer.checks.at(-1)?.reason ?? answer.reason]);
    }),
};

const OF_VERDICT: Readonly<Record<CountsAnswer['verdict'], Standing>> = {
  rollback: 'bad',
  inconclusive: 'undecided',
  continue: 'undecided',
  pass: 'good',
};

async function judgeCounts(path: string, results: Results, flags: JudgeFlags): Promise<void> {
  const settings = settingsOf(flags);
  const faults = new InputFaults(sourceName(path));
  const judgeRuns = new CountsJudge(settings, (answer, verdict) => {
    const second = answer.rollbackAtSecond ?? answer.passAtSecond;
    results.add(
      answer,
      OF_VERDICT[answer.verdict],
      [answer.verdict, second === null ? '' : `second ${second}`, verdict.sentence],
      answer.run,
    );
  });
  const reader = new CountsReader(faults, (row) => {
    judgeRuns.observe(row);
  });
  await readWhole(path, reader, faults);
  judgeRuns.end();
}

async function judgeLatency(path: string, results: Results, flags: JudgeFlags): Promise<void> {
  const latency = new LatencyJudge(settingsOf(flags).alpha);
  results.onlyTheLastCounts = true;
  await judgeLines(path, (line) => {
    const batch = latencyBatchOf(line);
    if (!batch) return;
    const answer = latency.observe(batch);
    const evidence = [answer.logE, answer.logERank, answer.logETail5, answer.logETail1].map((log) => log.toFixed(2));
    results.add(answer, OF_VERDICT[answer.verdict], [answer.verdict, ...evidence]);
  });
}

async function judgeLines(path: string, onLine: (line: JsonLine) => void): Promise<void> {
  const faults = new InputFaults(sourceName(path));
  await readWhole(path, new JsonLines(faults, onLine), faults);
}

const HEADS: Readonly<Record<Mode, readonly string[]>> = {
  input: ['run', 'verdict', 'decided', 'why'],
  latency: ['batch', 'verdict', 'ln E', 'ranks', 'slowest 5 %', 'slowest 1 %'],
  kayenta: ['case', 'classification', 'reason'],
  argo: ['case', 'phase', 'reason'],
  flagger: ['case', 'phase', 'reason'],
};

/** Answers on their way to standard output: JSON held back in a spool, or a table of the first ones. */
class Results {
  readonly #json: boolean;
  readonly #mode: Mode;
  readonly #spool = new ResultSpool();
  readonly #rows: string[][] = [];
  readonly #standings = new Set<Standing>();
  #count = 0;
  /** The answers are one growing body of evidence, not cases of their own. */
  onlyTheLastCounts = false;

  constructor(json: boolean, mode: Mode) {
    this.#json = json;
    this.#mode = mode;
  }

  add(answer: object, standing: Standing, cells: readonly string[], label: number = this.#count): void {
    if (this.onlyTheLastCounts) this.#standings.clear();
    this.#standings.add(standing);
    if (this.#json) {
      const separator = this.#mode === 'input' ? (this.#count === 0 ? '[' : ',\n') : '';
      this.#spool.add(`${separator}${JSON.stringify(answer)}${this.#mode === 'input' ? '' : '\n'}`);
    } else if (this.#rows.length < TABLE_ROWS) {
      const [first = '', ...rest] = cells;
      this.#rows.push([String(label), standingColour(standing)(first), ...rest]);
    }
    this.#count += 1;
  }

  get worst(): Standing {
    return SEVERITY.find((standing) => this.#standings.has(standing)) ?? 'undecided';
  }

  async print(): Promise<void> {
    if (!this.#json) this.#spool.add(this.#table());
    else if (this.#mode === 'input') this.#spool.add(this.#count === 0 ? '[]\n' : ']\n');
    await this.#spool.writeTo(process.stdout);
  }

  #table(): string {
    const [only] = this.#rows;
    if (this.#mode === 'input' && only && this.#rows.length === 1) return `${only[3] ?? ''}\n`;
    const table = new Table({ head: [...HEADS[this.#mode]], style: { head: [], border: [] } });
    table.push(...this.#rows);
    const more = this.#count - this.#rows.length;
    return `${table.toString()}\n${more > 0 ? `and ${more} more; --json prints all\n` : ''}`;
  }

  [Symbol.dispose](): void {
    this.#spool[Symbol.dispose]();
  }
}
