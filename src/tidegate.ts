import { Command, CommanderError } from 'commander';
import { canaryCommands } from './validation/judge/commands/canary.command.ts';

/** The command line. Commands that need no server are wired here directly; a wrong option is bad input: exit 2. */
const program = new Command('tidegate').description('Release management that shows its work').exitOverride();
canaryCommands(program);

try {
  await program.parseAsync();
} catch (cause) {
  if (!(cause instanceof CommanderError)) throw cause;
  process.exitCode = cause.exitCode === 0 ? 0 : 2;
}
