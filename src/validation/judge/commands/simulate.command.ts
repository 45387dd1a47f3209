import Table from 'cli-table3';
import type { Command } from 'commander';
import { isAboutPassing, judgesFor, titleOf } from '../simulation/contestants.ts';
import { scenarios, type Scenario } from '../simulation/scenarios.ts';
import { playAll } from '../simulation/simulation.pool.ts';
import { summarise, type Estimate, type Summary } from '../simulation/summary.ts';
import type { FaultItem } from '../../../platform/fault.ts';
import { badInput, shown } from './input-faults.ts';
import { guarded } from './terminal.writer.ts';

interface SimulateArguments {
  readonly scenario?: readonly string[];
  readonly runs: string;
  readonly seed: string;
  readonly workers?: string;
  readonly ours?: boolean;
  readonly json?: boolean;
}

interface Row extends Summary {
  readonly scenario: string;
  readonly title: string;
  readonly judge: string;
  readonly rule: string;
}

export function simulateCommand(canary: Command): void {
  canary
    .command('simulate')
    .description('Play canaries whose truth is known before our judge and the rules of others')
    .option('--scenario <name...>', `one or more of: ${scenarios.map(({ name }) => name).join(', ')} (default: all)`)
    .option('--runs <n>', 'runs of each scenario', '200')
    .option('--seed <n>', 'the same seed gives the same runs on any number of cores', '1')
    .option('--workers <n>', 'threads (default: all cores)')
    .option('--ours', 'our judge only')
    .option('--json', 'machine-readable')
    .action(guarded(simulate));
}

async function simulate(options: SimulateArguments): Promise<void> {
  const { chosen, runs, seed, workers } = checked(options);
  const studies = chosen.map((scenario) => ({
    scenario: scenarios.indexOf(scenario),
    judges: judgesFor(scenario, options.ours !== true),
    runs,
  }));
  const progress = progressTo(process.stderr);
  const outcomes = await playAll(studies, { seed, ...(workers === undefined ? {} : { workers }), onProgress: progress.show });
  progress.end();
  const rows = studies.flatMap(({ judges }, index) => {
    const scenario = chosen[index];
    if (!scenario) return [];
    const about = { scenario: scenario.name, title: scenario.title };
    return judges.map((judge): Row => ({ ...about, judge, rule: titleOf(judge), ...summarise(scenario, outcomes[index]?.[judge] ?? []) }));
  });
  process.stdout.write(options.json === true ? `${JSON.stringify({ runs, seed, rows }, null, 2)}\n` : tableOf(chosen, rows));
}

function checked(options: SimulateArguments): { chosen: readonly Scenario[]; runs: number; seed: number; workers?: number } {
  const faults: FaultItem[] = [];
  const whole = (flag: string, text: string, most: number, least = 1): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value > most || value < least)
      faults.push({ detail: `${flag}: expected a whole number from ${least} to ${most}, got ${shown(text)}` });
    return value;
  };
  const names = options.scenario ?? scenarios.map(({ name }) => name);
  for (const name of names) {
    if (!scenarios.some((scenario) => scenario.name === name)) {
      faults.push({ detail: `--scenario: expected one of ${scenarios.map((scenario) => scenario.name).join(', ')}, got ${shown(name)}` });
    }
  }
  const runs = whole('--runs', options.runs, 1_000_000);
  const seed = whole('--seed', options.seed, Number.MAX_SAFE_INTEGER, 0);
  const workers = options.workers === undefined ? undefined : whole('--workers', options.workers, 1024);
  if (faults.length > 0) throw badInput('options', faults, 'Correct every option named.');
  return { chosen: scenarios.filter(({ name }) => names.includes(name)), runs, seed, ...(workers === undefined ? {} : { workers }) };
}

/** On a terminal one line that fills up; into a file a line every tenth. */
function progressTo(stream: NodeJS.WriteStream): { readonly show: (share: number, scenario: number) => void; readonly end: () => void } {
  let told = -1;
  return {
    show: (share, scenario) => {
      const steps = stream.isTTY ? 100 : 10;
      const step = Math.floor(share * steps);
      if (step === told) return;
      told = step;
      const line = `simulating ${Math.floor(share * 100)} % (${scenarios[scenario]?.title ?? ''})`;
      stream.write(stream.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    },
    end: () => {
      if (stream.isTTY) stream.write('\r\u001b[K');
    },
  };
}

function tableOf(chosen: readonly Scenario[], rows: readonly Row[]): string {
  return chosen
    .map(
      (scenario) =>
        `${sectionOf(
          scenario,
          rows.filter((row) => row.scenario === scenario.name),
        )}\n`,
    )
    .join('\n');
}

const COLUMNS: Readonly<Record<'harmless' | 'harm' | 'pass', readonly (readonly [head: string, cell: (row: Row) => string])[]>> = {
  harmless: [
    ['false rollbacks', (row) => percent(row.falseRollbacks)],
    ['extra failures', (row) => row.extraFailures?.toFixed(1) ?? '–'],
  ],
  harm: [
    ['noticed', (row) => percent(row.detected)],
    ['median', (row) => seconds(row.delayMedian)],
    ['mean', (row) => seconds(row.delayMean)],
    ['before the harm', (row) => percent(row.falseRollbacks)],
    ['extra failures', (row) => row.extraFailures?.toFixed(1) ?? '–'],
  ],
  pass: [
    ['passed', (row) => percent(row.passed)],
    ['median', (row) => seconds(row.passMedian)],
  ],
};

function sectionOf(scenario: Scenario, rows: readonly Row[]): string {
  const columns = COLUMNS[isAboutPassing(scenario) || scenario.truth === 'limit' ? 'pass' : scenario.truth];
  const table = new Table({ head: ['rule', ...columns.map(([head]) => head)], style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => [row.rule, ...columns.map(([, cell]) => cell(row))]));
  return `${scenario.title} (${rows[0]?.runs ?? 0} runs)\n${table.toString()}`;
}

function percent({ value, low, high }: Estimate): string {
  if (value === null || low === null || high === null) return '–';
  const text = (share: number): string => (share * 100).toFixed(2);
  return `${text(value)} % (${text(low)} – ${text(high)})`;
}

function seconds({ value, low, high }: Estimate): string {
  const text = (time: number | null): string => (time === null ? 'over 1 h' : time.toFixed(0));
  return value === null && low === null ? 'over 1 h' : `${text(value)} s (${text(low)} – ${text(high)})`;
}
