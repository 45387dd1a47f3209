import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import { unwrap } from '../client/client.ts';
import { exitCode } from './exit-code.ts';
import { paintTable, printable } from './paint.ts';
import { paintDifference } from './problem.ts';
import type { Session } from './session.ts';
import { Ended, readText, withSession } from './session.ts';

interface FileOption {
  readonly file: readonly string[];
}

export function resourceCommands(program: Command): void {
  const files = (command: Command) =>
    command.requiredOption('-f, --file <path...>', 'YAML files, folders of them, or - for standard input');
  files(program.command('apply').description('Show what would change, then bring it into force: all of it or nothing'))
    .option('--dry-run', 'stop after the plan')
    .action(withSession(apply));
  files(program.command('diff').description('What an apply would change; exits 1 when there is a difference')).action(withSession(diff));
  program
    .command('get <kind> [name]')
    .description('Resources, releases or approvals: get releases, get application storefront, get approvals')
    .option('--limit <n>', 'rows', '50')
    .action(withSession(get));
  program.command('export').description('All resources in force, as YAML').action(withSession(exportAll));
}

interface Plan {
  readonly digest: string;
  readonly changes: readonly {
    readonly kind: string;
    readonly name: string;
    readonly action: 'create' | 'change' | 'unchanged';
    readonly differences: readonly { readonly pointer: string; readonly before?: unknown; readonly after?: unknown }[];
  }[];
}

async function apply(session: Session, options: FileOption & { readonly dryRun?: boolean }): Promise<void> {
  const files = await readFiles(options.file);
  const plan: Plan = await unwrap(session.client.POST('/api/v1/resources/plan', { body: { files } }));
  if (options.dryRun) return session.print(plan, () => paintPlan(plan, 'would be'));
  if (!session.json) process.stdout.write(`${paintPlan(plan, 'will be')}\n`);
  // Exactly what was shown is applied: another state by now is refused.
  const done: Plan = await unwrap(
    session.client.POST('/api/v1/resources', { body: { files }, headers: { 'if-match': `"${plan.digest}"` } }),
  );
  session.print(done, () => `${pc.green('✔')} applied ${done.changes.filter((c) => c.action !== 'unchanged').length} change(s)`);
}

async function diff(session: Session, options: FileOption): Promise<void> {
  const plan: Plan = await unwrap(session.client.POST('/api/v1/resources/plan', { body: { files: await readFiles(options.file) } }));
  session.print(plan, () => paintPlan(plan, 'would be'));
  if (plan.changes.some((c) => c.action !== 'unchanged')) throw new Ended(exitCode.failed);
}

function paintPlan(plan: Plan, tense: string): string {
  const changing = plan.changes.filter((c) => c.action !== 'unchanged');
  if (changing.length === 0) return 'Nothing changes: all of it is in force.';
  return changing
    .map((c) => {
      const head =
        c.action === 'create'
          ? `${pc.green('+')} ${c.kind} ${c.name} ${tense} created`
          : `${pc.yellow('~')} ${c.kind} ${c.name} ${tense} changed`;
      return [head, ...(c.action === 'change' ? c.differences.map(paintDifference) : [])].join('\n');
    })
    .join('\n');
}

async function readFiles(paths: readonly string[]): Promise<{ name: string; text: string }[]> {
  const names = (await Promise.all(paths.map(expand))).flat();
  if (names.length === 0) throw new Ended(exitCode.badInput, `expected .yaml or .yml files in ${paths.join(', ')}, found none`);
  return Promise.all(names.map(async (name) => ({ name, text: await readText(name) })));
}

async function expand(path: string): Promise<readonly string[]> {
  if (path === '-') return [path];
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new Ended(exitCode.badInput, `expected a file or folder, got ${path}, which does not exist`);
  if (!found.isDirectory()) return [path];
  const entries = await readdir(path);
  return entries
    .filter((e) => /\.ya?ml$/.test(e))
    .sort()
    .map((e) => join(path, e));
}

async function get(session: Session, kind: string, name: string | undefined, options: { readonly limit: string }): Promise<void> {
  const word = kind.toLowerCase().replace(/s$/, '');
  if (word === 'release' && name === undefined) return listReleases(session, Number(options.limit));
  if (word === 'approval') return listApprovals(session);
  const proper = properKind(word);
  if (name !== undefined) {
    const resource = await unwrap(session.client.GET('/api/v1/resources/{kind}/{name}', { params: { path: { kind: proper, name } } }));
    return session.print(resource, () => JSON.stringify(resource, null, 2));
  }
  const page = await unwrap(session.client.GET('/api/v1/resources', { params: { query: { kind: proper, limit: Number(options.limit) } } }));
  session.print(page, () =>
    paintTable(
      ['NAME', 'VERSION'],
      page.items.map((r) => [r.metadata.name, String(r.version)]),
    ),
  );
}

function properKind(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

async function listReleases(session: Session, limit: number): Promise<void> {
  const page = await unwrap(session.client.GET('/api/v1/releases', { params: { query: { limit } } }));
  session.print(page, () =>
    paintTable(
      ['RELEASE', 'STATE', 'CREATED', 'BY', 'REASON'],
      page.items.map((r) => [r.id, r.state, r.createdAt, r.createdBy, r.reason?.sentence ?? '']),
    ),
  );
}

async function listApprovals(session: Session): Promise<void> {
  const page = await unwrap(session.client.GET('/api/v1/approvals'));
  session.print(page, () =>
    page.items.length === 0
      ? 'Nothing waits for anybody.'
      : paintTable(
          ['RELEASE', 'STAGE', 'ROLES', 'SINCE'],
          page.items.map((a) => [a.release, a.stage, Object.keys(a.roles).join(', '), a.openedAt]),
        ),
  );
}

async function exportAll(session: Session): Promise<void> {
  const text = await unwrap(session.client.GET('/api/v1/resources/export', { parseAs: 'text' }));
  session.print({ yaml: text }, () => printableYaml(text));
}

function printableYaml(text: string): string {
  return text.split('\n').map(printable).join('\n').trimEnd();
}
