import { Command, CommanderError } from 'commander';
import { approvalCommands } from './cli/approvals.ts';
import { freezeCommands } from './cli/freezes.ts';
import { releaseCommands } from './cli/releases.ts';
import { resourceCommands } from './cli/resources.ts';
import { addConnectionOptions } from './cli/session.ts';
import { tokenCommands } from './cli/tokens.ts';
import { auditCommands } from './platform/ledger/audit.command.ts';
import { canaryCommands } from './validation/judge/commands/canary.command.ts';

/** The command line. Those of `src/cli` speak to a server; `audit` and `canary` need none. A wrong option is bad input: exit 2. */
const program = new Command('tidegate')
  .description('Release management that shows its work')
  .exitOverride()
  .showHelpAfterError('(see --help)');
addConnectionOptions(program);
resourceCommands(program);
releaseCommands(program);
approvalCommands(program);
freezeCommands(program);
tokenCommands(program);
auditCommands(program);
canaryCommands(program);
// `--json` is taken by the program wherever it stands; commands with a flag of that name of their own get it handed on.
program.hook('preAction', (_, action) => {
  if (program.opts<{ readonly json?: boolean }>().json) action.setOptionValue('json', true);
});

// Whoever reads us may have read enough (`| head`): that is a quiet end, not a defect.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (cause) {
  if (!(cause instanceof CommanderError)) throw cause;
  process.exitCode = cause.exitCode === 0 ? 0 : 2;
}
