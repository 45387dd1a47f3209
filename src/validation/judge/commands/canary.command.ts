import type { Command } from 'commander';
import { judgeCommand } from './judge.command.ts';
import { powerCommand } from './power.command.ts';
import { reportCommand } from './report.command.ts';
import { simulateCommand } from './simulate.command.ts';

/** `tidegate canary …`: judging without a server and without a database. */
export function canaryCommands(program: Command): void {
  const canary = program.command('canary').description('Judge canaries on recorded counts, simulate rules, plan traffic');
  judgeCommand(canary);
  simulateCommand(canary);
  powerCommand(canary);
  reportCommand(canary);
}
