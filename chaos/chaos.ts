/**
 * `npm run chaos -- [--kills 60] [--seed N] [--rate 60] [--logs DIR] [--json]`: releases under traffic while processes are killed with -9; then the
 * invariants, each with its evidence. Exit 0 only when every one held, 1 when one did not, 2 for bad input.
 */
import { parseArgs } from 'node:util';
import type { Evidence } from './evidence.ts';
import { planChaos } from './plan.ts';
import { reportOf, textOf } from './report.ts';
import { runChaos } from './run.ts';

const startedAt = performance.now();
const say = (line: string): void =>
  void process.stderr.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} ${line}\n`);

interface Options {
  readonly kills: number;
  readonly seed: number;
  readonly rate: number;
  readonly json: boolean;
  /** Gets the logs of every process, for whoever looks for the cause of a finding. */
  readonly logs: string | undefined;
}

function readOptions(): Options {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { kills: text, seed: text, rate: text, logs: text, json: { type: 'boolean' } } });
  const number = (name: string, given: string, [least, most]: readonly [number, number]): number => {
    const value = Number(given);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new TypeError(`expected --${name} as a whole number from ${least} to ${most}, got ${given}`);
  };
  return {
    kills: number('kills', values.kills ?? '60', [1, 10_000]),
    seed: number('seed', values.seed ?? String(Date.now() % 1_000_000), [0, 4_294_967_295]),
    rate: number('rate', values.rate ?? '60', [1, 1_000]),
    json: values.json ?? false,
    logs: values.logs,
  };
}

async function main(options: Options): Promise<void> {
  const plan = planChaos(options);
  say(`plan of seed ${plan.seed}: ${plan.kills.map(({ victim, afterMs }) => `${victim} +${(afterMs / 1_000).toFixed(1)}`).join(', ')}`);
  say(`  releases: ${JSON.stringify(plan.releases)}; a worker is stopped after kills ${plan.stopsAfter.join(', ')}`);
  const interrupted = new AbortController();
  // Once and for all: a second Ctrl-C would leave processes behind that nobody watches.
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => interrupted.abort(new Error(`${name}: everything of this run is ended`)));
  const evidence: Evidence = await runChaos({ plan, ratePerSecond: options.rate, logs: options.logs, say, signal: interrupted.signal });
  const report = reportOf(evidence, { seed: plan.seed, seconds: (performance.now() - startedAt) / 1_000 });
  process.stderr.write(textOf(report));
  if (options.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  process.exitCode = report.ok ? 0 : 1;
}

let options: Options;
try {
  options = readOptions();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(2);
}
try {
  await main(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
