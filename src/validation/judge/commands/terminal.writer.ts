import type { Command, OptionValues } from 'commander';
import pc from 'picocolors';
import { Fault, type FaultItem } from '../../../platform/fault.ts';
import type { Standing } from './standing.ts';

/** Exit code of bad input, as everywhere in tidegate. */
const BAD_INPUT = 2;

/** picocolors leaves the text plain under NO_COLOR and when nobody looks. */
export function standingColour(standing: Standing): (text: string) => string {
  return { good: pc.green, bad: pc.red, undecided: pc.yellow }[standing];
}

/** Runs a command's action: a fault of the input goes to standard error and exits with 2; anything else is a bug and is thrown. */
export function guarded<T extends OptionValues>(action: (options: T) => Promise<void>): (options: T, command: Command) => Promise<void> {
  return async (_, command) => {
    process.stdout.once('error', stopQuietly);
    try {
      // An option that the whole program knows too (--json) lands there, wherever it was written.
      await action(command.optsWithGlobals<T>());
    } catch (cause) {
      if (!(cause instanceof Fault) || !cause.code.startsWith('judge.')) throw cause;
      process.stderr.write(rendered(cause));
      process.exitCode = BAD_INPUT;
    } finally {
      process.stdout.off('error', stopQuietly);
    }
  };
}

/** The reader of a pipe went away (`| head`): nobody is left to tell. */
function stopQuietly(cause: Error): void {
  if (!('code' in cause) || cause.code !== 'EPIPE') throw cause;
  process.exit(0);
}

function rendered(fault: Fault): string {
  const source = typeof fault.extra['source'] === 'string' ? fault.extra['source'] : '';
  const lines = fault.faults.map((item) => `${pc.red(placeOf(source, item))}${item.detail}`);
  return `${[...(lines.length === 0 ? [fault.message] : lines), fault.remedy ?? ''].filter(Boolean).join('\n')}\n`;
}

function placeOf(source: string, { line, column }: FaultItem): string {
  if (line === undefined) return source === 'options' || source === '' ? '' : `${source}: `;
  return `${source}:${line}:${column ?? 1}: `;
}
