import type { Command } from 'commander';
import pc from 'picocolors';
import { unwrap } from '../client/client.ts';
import { exitCode } from './exit-code.ts';
import { paintDifference } from './problem.ts';
import type { Session } from './session.ts';
import { Ended, withSession } from './session.ts';

interface Options {
  readonly candidate?: string;
  readonly stage?: string;
  readonly reason?: string;
}

export function approvalCommands(program: Command): void {
  const common = (command: Command) =>
    command
      .option('--candidate <digest>', 'the candidate that was looked at; without it, the present one is shown and taken')
      .option('--stage <name>', 'when several stages wait');
  common(program.command('approve <release>').description('Approve exactly one candidate of a release'))
    .option('--reason <text>')
    .action(
      withSession((session: Session, release: string, options: Options) => decide(session, release, { ...options, decision: 'approve' })),
    );
  common(program.command('reject <release>').description('Reject a candidate, with the reason'))
    .requiredOption('--reason <text>')
    .action(
      withSession((session: Session, release: string, options: Options) => decide(session, release, { ...options, decision: 'reject' })),
    );
  program
    .command('approvals <release>')
    .description('Who decided what about which candidate, and who is awaited')
    .action(withSession(show));
}

async function decide(session: Session, release: string, options: Options & { readonly decision: 'approve' | 'reject' }): Promise<void> {
  const candidate = options.candidate ?? (await presentCandidate(session, release));
  const gate = await unwrap(
    session.client.POST('/api/v1/releases/{release}/approvals', {
      params: { path: { release } },
      body: {
        decision: options.decision,
        candidate,
        ...(options.stage ? { stage: options.stage } : {}),
        ...(options.reason ? { reason: options.reason } : {}),
      },
    }),
  );
  const missing = gate.quorum.filter((s) => s.principal === undefined).map((s) => s.role);
  session.print(
    gate,
    () =>
      `${pc.green('✔')} ${options.decision === 'approve' ? 'approved' : 'rejected'} ${release} (${candidate.slice(0, 19)}…)${missing.length > 0 ? `; still awaited: ${missing.join(', ')}` : '; nobody else is awaited'}`,
  );
}

async function presentCandidate(session: Session, release: string): Promise<string> {
  const { items } = await unwrap(session.client.GET('/api/v1/releases/{release}/candidates', { params: { path: { release } } }));
  const last = items.at(-1);
  if (!last)
    throw new Ended(
      exitCode.failed,
      `expected a candidate of ${release}, the build has not finished\n  → Watch it: tidegate watch ${release}`,
    );
  if (!session.json) process.stdout.write([`candidate ${last.revision}: ${last.digest}`, ...last.diff.map(paintDifference), ''].join('\n'));
  return last.digest;
}

async function show(session: Session, release: string): Promise<void> {
  const page = await unwrap(session.client.GET('/api/v1/releases/{release}/approvals', { params: { path: { release } } }));
  session.print(page, () =>
    page.items
      .map((gate) =>
        [
          `${pc.bold(gate.stage)} (${gate.state})`,
          ...gate.quorum.map((s) => `  ${s.principal ? pc.green('✔') : pc.yellow('…')} ${s.role}: ${s.principal ?? 'awaited'}`),
          ...gate.approvals
            .filter((a) => !a.valid)
            .map((a) => `  ${pc.dim(`void: ${a.principal} ${a.decision}d ${a.candidate.slice(0, 19)}…`)}`),
        ].join('\n'),
      )
      .join('\n'),
  );
}
