import type { Command } from 'commander';
import pc from 'picocolors';
import { createClient, unwrap } from '../client/client.ts';
import { paintTable } from './paint.ts';
import type { Session } from './session.ts';
import { readText, withSession, writeCredentials } from './session.ts';

export function tokenCommands(program: Command): void {
  program
    .command('login')
    .description('Check a token (from --token-file, or standard input) and keep it for later commands')
    .action(withSession(login));
  program.command('whoami').description('Who the server takes you for, and what you may do').action(withSession(whoAmI));
  const token = program.command('token').description('Tokens of people and bots');
  token
    .command('create <principal>')
    .description('Make a token; it is shown once')
    .requiredOption('--description <text>', 'what it is for')
    .option('--expires <time>', 'ISO 8601; default: 90 days')
    .action(withSession(create));
  token.command('list').description('Tokens, without their secrets').action(withSession(list));
  token.command('revoke <id>').description('Refuse a token from now on').action(withSession(revoke));
}

async function login(session: Session): Promise<void> {
  const token = session.givenToken ?? (await readText('-')).trim();
  const me = await unwrap(createClient({ server: session.server, token }).GET('/api/v1/me'));
  const file = await writeCredentials({ server: session.server, token });
  session.print({ ...me, file }, () => `${pc.green('✔')} signed in to ${session.server} as ${me.name}; kept in ${file}`);
}

async function whoAmI(session: Session): Promise<void> {
  const me = await unwrap(session.client.GET('/api/v1/me'));
  session.print(me, () => `${pc.bold(me.name)}: ${me.roles.join(', ') || 'no role'}\n${me.permissions.join('\n')}`);
}

async function create(
  session: Session,
  principal: string,
  options: { readonly description: string; readonly expires?: string },
): Promise<void> {
  const made = await unwrap(
    session.client.POST('/api/v1/tokens', {
      body: { principal, description: options.description, ...(options.expires ? { expiresAt: options.expires } : {}) },
    }),
  );
  session.print(made, () => `${made.token}\n${pc.dim(`shown this once; ${made.id} expires ${made.expiresAt}`)}`);
}

async function list(session: Session): Promise<void> {
  const page = await unwrap(session.client.GET('/api/v1/tokens'));
  session.print(page, () =>
    paintTable(
      ['ID', 'PRINCIPAL', 'EXPIRES', 'FOR'],
      page.items.map((t) => [t.id, t.principal, t.expiresAt, t.description]),
    ),
  );
}

async function revoke(session: Session, id: string): Promise<void> {
  const answer = await unwrap(session.client.DELETE('/api/v1/tokens/{token}', { params: { path: { token: id } } }));
  session.print(answer ?? { revoked: id }, () => `${pc.green('✔')} revoked ${id}`);
}
