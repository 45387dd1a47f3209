import type { Command } from 'commander';
import pc from 'picocolors';
import { unwrap } from '../client/client.ts';
import { paintTable } from './paint.ts';
import type { Session } from './session.ts';
import { withSession } from './session.ts';

interface DeclareOptions {
  readonly from?: string;
  readonly to: string;
  readonly environment?: readonly string[];
  readonly application?: readonly string[];
  readonly reason: string;
}

export function freezeCommands(program: Command): void {
  const freeze = program.command('freeze').description('Change freezes');
  freeze
    .command('declare <name>')
    .description('Hold every deployment in a span of time')
    .option('--from <time>', 'ISO 8601 with zone; default: now')
    .requiredOption('--to <time>', 'ISO 8601 with zone')
    .option('--environment <name...>', 'default: every environment')
    .option('--application <name...>', 'default: every application')
    .requiredOption('--reason <text>')
    .action(withSession(declare));
  freeze.command('list').description('Freezes, and which hold right now').action(withSession(list));
  freeze.command('lift <name>').description('End a freeze before its time').action(withSession(lift));
}

async function declare(session: Session, name: string, options: DeclareOptions): Promise<void> {
  const spec = {
    from: options.from ?? new Date().toISOString(),
    to: options.to,
    environments: [...(options.environment ?? [])],
    applications: [...(options.application ?? [])],
    reason: options.reason,
  };
  const freeze = await unwrap(session.client.POST('/api/v1/freezes', { body: { name, spec } }));
  session.print(
    freeze,
    () => `${pc.green('✔')} ${name} holds ${freeze.environments.join(', ') || 'every environment'} from ${freeze.from} to ${freeze.to}`,
  );
}

async function list(session: Session): Promise<void> {
  const page = await unwrap(session.client.GET('/api/v1/freezes'));
  session.print(page, () =>
    page.items.length === 0
      ? 'No freeze is declared.'
      : paintTable(
          ['NAME', 'NOW', 'FROM', 'TO', 'ENVIRONMENTS', 'REASON'],
          page.items.map((f) => [f.name, f.active ? 'holds' : '-', f.from, f.to, f.environments.join(',') || 'all', f.reason]),
        ),
  );
}

async function lift(session: Session, name: string): Promise<void> {
  await unwrap(session.client.DELETE('/api/v1/freezes/{name}', { params: { path: { name } } }));
  session.print({ lifted: name }, () => `${pc.green('✔')} lifted ${name}`);
}
