import type { Command } from 'commander';
import pc from 'picocolors';
import { unwrap } from '../client/client.ts';
import { exitCode } from './exit-code.ts';
import type { Effect } from './paint.ts';
import { paintTable, paintTree, printable, signs } from './paint.ts';
import type { Session } from './session.ts';
import { Ended, withSession } from './session.ts';
import { watchRelease } from './watch-release.ts';

interface WaitOptions {
  readonly wait?: boolean;
  readonly timeout?: string;
}

export function releaseCommands(program: Command): void {
  const waiting = (command: Command) =>
    command.option('--wait', 'until the release has ended').option('--timeout <seconds>', 'exit 124 after this long', '3600');
  const release = program.command('release').description('Releases');
  waiting(release.command('create').description('Make a release from a signed tag'))
    .requiredOption('--application <name>')
    .requiredOption('--tag <tag>')
    .action(withSession(create));
  waiting(release.command('promote <release>').description('Go on to an environment now, or say what holds it'))
    .requiredOption('--to <environment>')
    .action(withSession(promote));
  release
    .command('cancel <release>')
    .description('Stop a release that waits')
    .requiredOption('--reason <text>')
    .action(withSession(cancel));
  release
    .command('continue <release>')
    .description('Give a held canary another span of time')
    .requiredOption('--reason <text>')
    .action(withSession(continueHeld));
  waiting(program.command('rollback <release>').description('Put users back on the version before'))
    .requiredOption('--reason <text>')
    .action(withSession(rollBack));
  program.command('status [release]').description('What serves where and what is under way; or one release').action(withSession(status));
  program
    .command('why <release>')
    .description('Why is it not there? A tree of decisions with what unblocks each')
    .option('--to <environment>', 'default: the last stage')
    .action(withSession(why));
  program
    .command('plan <release>')
    .description('What would happen, who would be asked, when is the next opening? Changes nothing')
    .requiredOption('--to <environment>')
    .action(withSession(plan));
  waiting(program.command('watch <release>').description('Follow a release as it happens')).action(
    withSession((session: Session, id: string, options: WaitOptions) =>
      watchRelease(session, id, { timeoutSeconds: Number(options.timeout ?? 3600), tell: true }),
    ),
  );
}

async function afterwards(session: Session, release: { readonly id: string; readonly state: string }, options: WaitOptions): Promise<void> {
  if (options.wait) return watchRelease(session, release.id, { timeoutSeconds: Number(options.timeout ?? 3600), tell: !session.json });
  session.print(release, () => `${pc.green('✔')} ${release.id} is ${release.state}`);
}

async function create(session: Session, options: WaitOptions & { readonly application: string; readonly tag: string }): Promise<void> {
  const made = await unwrap(session.client.POST('/api/v1/releases', { body: { application: options.application, tag: options.tag } }));
  await afterwards(session, made, options);
}

async function promote(session: Session, id: string, options: WaitOptions & { readonly to: string }): Promise<void> {
  const answer = await unwrap(
    session.client.POST('/api/v1/releases/{release}/promotions', { params: { path: { release: id } }, body: { environment: options.to } }),
  );
  await afterwards(session, answer, options);
}

async function rollBack(session: Session, id: string, options: WaitOptions & { readonly reason: string }): Promise<void> {
  const answer = await unwrap(
    session.client.POST('/api/v1/releases/{release}/rollback', { params: { path: { release: id } }, body: { reason: options.reason } }),
  );
  await afterwards(session, answer, options);
}

async function cancel(session: Session, id: string, options: { readonly reason: string }): Promise<void> {
  const answer = await unwrap(
    session.client.POST('/api/v1/releases/{release}/cancel', { params: { path: { release: id } }, body: { reason: options.reason } }),
  );
  await afterwards(session, answer, {});
}

async function continueHeld(session: Session, id: string, options: { readonly reason: string }): Promise<void> {
  const answer = await unwrap(
    session.client.POST('/api/v1/releases/{release}/continue', { params: { path: { release: id } }, body: { reason: options.reason } }),
  );
  await afterwards(session, answer, {});
}

async function status(session: Session, id: string | undefined): Promise<void> {
  if (id === undefined) return statusOfAll(session);
  const release = await unwrap(session.client.GET('/api/v1/releases/{release}', { params: { path: { release: id } } }));
  session.print(release, () =>
    [
      `${pc.bold(release.id)} ${release.state}: ${printable(release.standing.sentence)}`,
      ...(release.standing.remedy ? [`  ${pc.dim('→')} ${printable(release.standing.remedy)}`] : []),
      ...(release.candidate ? [`candidate ${release.candidate.revision}: ${release.candidate.digest}`] : []),
      ...(release.deployments.length > 0
        ? [
            paintTable(
              ['ENVIRONMENT', 'STATE', 'SHARE', 'SINCE', 'REASON'],
              release.deployments.map((d) => [d.environment, d.state, `${d.weight} %`, d.since, d.reason?.sentence ?? '']),
            ),
          ]
        : []),
    ].join('\n'),
  );
}

async function statusOfAll(session: Session): Promise<void> {
  const all = await unwrap(session.client.GET('/api/v1/status'));
  session.print(all, () =>
    [
      all.lanes.length === 0
        ? 'Nothing is deployed yet.'
        : paintTable(
            ['APPLICATION', 'ENVIRONMENT', 'VERSION', 'SINCE', 'CHANGING'],
            all.lanes.map((l) => [l.application, l.environment, l.version ?? '-', l.since ?? '-', l.changing ?? '-']),
          ),
      ...(all.underWay.length > 0 ? ['', 'under way:', ...all.underWay.map((r) => `  ${r.id} (${r.state})`)] : []),
    ].join('\n'),
  );
}

async function why(session: Session, id: string, options: { readonly to?: string }): Promise<void> {
  const tree = await unwrap(
    session.client.GET('/api/v1/releases/{release}/why', {
      params: { path: { release: id }, query: options.to ? { to: options.to } : {} },
    }),
  );
  session.print(tree, () => paintTree(tree));
}

async function plan(session: Session, id: string, options: { readonly to: string }): Promise<void> {
  const answer = await unwrap(
    session.client.GET('/api/v1/releases/{release}/plan', { params: { path: { release: id }, query: { to: options.to } } }),
  );
  session.print(answer, () => answer.stages.map(paintStage).join('\n'));
  const next = answer.stages.find((s) => s.standing !== 'passed');
  const waitsForPeople = next?.gates.some((g) => g.gate === 'approval' && g.decision.effect === 'undetermined');
  if (next?.standing === 'refused') throw new Ended(exitCode.failed);
  if (next?.standing === 'waiting') throw new Ended(waitsForPeople ? exitCode.waitingForPerson : exitCode.undetermined);
}

interface PlannedStage {
  readonly stage: string;
  readonly standing: string;
  readonly gates: readonly {
    readonly gate: string;
    readonly decision: { readonly effect: Effect; readonly reasons: readonly { readonly sentence: string }[] };
  }[];
  readonly asks: readonly {
    readonly role: string;
    readonly count: number;
    readonly people: readonly string[];
    readonly excluded: readonly string[];
  }[];
  readonly steps: readonly string[];
  readonly nextOpening: string;
}

function paintStage(stage: PlannedStage): string {
  return [
    `${pc.bold(stage.stage)}: ${stage.standing}`,
    ...(stage.standing === 'passed'
      ? []
      : stage.gates.map((g) => `  ${signs[g.decision.effect]} ${g.gate}: ${printable(g.decision.reasons[0]?.sentence ?? '')}`)),
    ...stage.asks.map(
      (a) =>
        `  ${pc.dim('asks')} ${a.count} × ${a.role}: ${a.people.join(', ') || 'nobody who may'}${a.excluded.length > 0 ? pc.dim(` (had a part in it: ${a.excluded.join(', ')})`) : ''}`,
    ),
    ...stage.steps.map((s, i) => `  ${i + 1}. ${printable(s)}`),
    ...(stage.standing === 'passed' ? [] : [`  ${pc.dim('next opening')} ${stage.nextOpening}`]),
  ].join('\n');
}
