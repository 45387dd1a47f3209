import type { FaultItem } from '../../../platform/fault.ts';
import { Fault } from '../../../platform/fault.ts';
import { resolveSettings, type JudgeOptions, type JudgeSettings } from '../judge.ts';
import { badInput, shown } from './input-faults.ts';

/** What the command line said, as text. */
export interface JudgeFlags {
  readonly method?: string;
  readonly alpha?: string;
  readonly rho0?: string;
  readonly ni?: string;
  readonly beta?: string;
  readonly restartEvery?: string;
  readonly horizon?: string;
  readonly warmUp?: string;
  readonly minimum?: string;
  readonly deadline?: string;
  readonly control?: string;
}

type NumberField = {
  [Field in keyof JudgeOptions]-?: JudgeOptions[Field] extends number | null | undefined ? Field : never;
}[keyof JudgeOptions];

const NUMBERS = {
  alpha: 'alpha',
  rho0: 'toleratedRatio',
  ni: 'nonInferiorityRatio',
  beta: 'beta',
  restartEvery: 'restartEverySeconds',
  horizon: 'horizonSeconds',
  warmUp: 'warmUpSeconds',
  minimum: 'minimumSeconds',
  deadline: 'deadlineSeconds',
} as const satisfies Partial<Record<keyof JudgeFlags, NumberField>>;

const FLAGS: Readonly<Record<string, string>> = {
  alpha: '--alpha',
  toleratedRatio: '--rho0',
  nonInferiorityRatio: '--ni',
  beta: '--beta',
  restartEverySeconds: '--restart-every',
  horizonSeconds: '--horizon',
  warmUpSeconds: '--warm-up',
  minimumSeconds: '--minimum',
  deadlineSeconds: '--deadline',
  method: '--method',
  control: '--control',
};

/** The settings of the flags; throws `judge.input` with every bad flag at once. `--ni off` never passes early. */
export function settingsOf(flags: JudgeFlags): JudgeSettings {
  const faults: FaultItem[] = [];
  const options: Record<string, unknown> = { method: flags.method, control: flags.control };
  for (const [flag, field] of Object.entries(NUMBERS)) {
    const text = flags[flag as keyof typeof NUMBERS];
    if (text === undefined) continue;
    if (flag === 'ni' && text === 'off') options[field] = null;
    else options[field] = numberIn(text, FLAGS[field] ?? field, faults);
  }
  // What is not a number has had its say: the rules look at the others with its default.
  const readable = Object.fromEntries(Object.entries(options).filter(([, value]) => !Number.isNaN(value)));
  try {
    const settings = resolveSettings(readable);
    if (faults.length === 0) return settings;
  } catch (cause) {
    if (!(cause instanceof Fault) || cause.code !== 'judge.settings') throw cause;
    faults.push(...cause.faults.map(({ pointer = '', detail }) => ({ detail: `${FLAGS[pointer.slice(1)] ?? pointer}: ${detail}` })));
  }
  throw badInput('options', faults, 'Correct every option named; the guarantee holds for no other.');
}

/** A plain decimal number; NaN after a fault. */
export function numberIn(text: string, flag: string, faults: FaultItem[]): number {
  if (/^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(text)) return Number(text);
  faults.push({ detail: `${flag}: expected a number, got ${shown(text)}` });
  return Number.NaN;
}
