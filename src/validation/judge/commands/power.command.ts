import type { Command } from 'commander';
import type { FaultItem } from '../../../platform/fault.ts';
import { badInput } from './input-faults.ts';
import { numberIn } from './judge-options.ts';
import { duration, powerOf, type PowerAnswer, type PowerQuestion } from './power.ts';
import { guarded } from './terminal.writer.ts';

type PowerArguments = Readonly<Partial<Record<keyof PowerQuestion, string>>> & { readonly json?: boolean };

export function powerCommand(canary: Command): void {
  canary
    .command('power')
    .description('How long until a bad canary would be noticed, and how much traffic that takes')
    .option('--rps <number>', 'requests per second, both versions together')
    .option('--share <number>', 'share of them on the canary, 0 to 1')
    .option('--base <number>', 'error share of a healthy version, 0 to 1')
    .option('--detect <ratio>', 'times the errors to be noticed', '2')
    .option('--alpha <number>', 'chance of a false rollback', '0.01')
    .option('--rho0 <ratio>', 'times the errors that are tolerated', '1')
    .option('--ni <ratio>', 'times the errors that must not pass', '2')
    .option('--beta <number>', 'chance of passing such a canary', '0.05')
    .option('--json', 'machine-readable')
    .action(guarded(power));
}

async function power(options: PowerArguments): Promise<void> {
  const answer = powerOf(questionOf(options));
  process.stdout.write(options.json === true ? `${JSON.stringify(answer)}\n` : `${textOf(answer)}\n`);
  await Promise.resolve();
}

function textOf({ sentence, passSeconds, ni }: PowerAnswer): string {
  const pass =
    passSeconds === null ? 'It never passes early.' : `A good one passes early in about ${duration(passSeconds)} (not ${ni} times as bad).`;
  return `${sentence}\n${pass}`;
}

type Bound = readonly [field: keyof PowerQuestion, expected: string, holds: (value: number) => boolean];

const BOUNDS: readonly Bound[] = [
  ['rps', 'requests per second, from 0', (value) => value >= 0 && value < Infinity],
  ['share', 'a share from 0 to 1', (value) => value >= 0 && value <= 1],
  ['base', 'a share from 0 to 1', (value) => value >= 0 && value <= 1],
  ['detect', 'a ratio above 1', (value) => value > 1 && value < Infinity],
  ['alpha', 'a number between 0 and 1', (value) => value > 0 && value < 1],
  ['rho0', 'a ratio of at least 1', (value) => value >= 1 && value < Infinity],
  ['ni', 'a ratio above 1', (value) => value > 1 && value < Infinity],
  ['beta', 'a number between 0 and 1', (value) => value > 0 && value < 1],
];

function questionOf(options: PowerArguments): PowerQuestion {
  const faults: FaultItem[] = [];
  const read = ([field, expected, holds]: Bound): readonly [string, number] => {
    const text = options[field];
    if (text === undefined) faults.push({ detail: `--${field}: expected ${expected}, got nothing` });
    const value = text === undefined ? Number.NaN : numberIn(text, `--${field}`, faults);
    if (!Number.isNaN(value) && !holds(value)) faults.push({ detail: `--${field}: expected ${expected}, got ${value}` });
    return [field, value];
  };
  const question = Object.fromEntries(BOUNDS.map(read)) as unknown as PowerQuestion;
  const { base, detect, rho0, ni } = question;
  if (base * detect > 1) faults.push({ detail: `--detect: expected at most ${1 / base} (every request failing), got ${detect}` });
  if (rho0 >= ni) faults.push({ detail: `--rho0: expected less than the non-inferiority ratio ${ni}, got ${rho0}` });
  if (faults.length > 0) throw badInput('options', faults, 'Correct every option named.');
  return question;
}
