import { join } from 'node:path';
import type { Transaction } from '../platform/database/database.ts';
import type { Reason } from '../platform/decision.ts';
import type { Json } from '../platform/digest.ts';
import type { Fault } from '../platform/fault.ts';
import { recordChange } from '../platform/ledger/record.store.ts';
import type { Next } from '../platform/queue/index.ts';
import { buildOnce, failBuild, finishBuild, startBuild } from '../artifacts/index.ts';
import { closeApprovalGate, openApprovalGate } from '../governance/index.ts';
import type { CandidateContent } from '../planning/index.ts';
import { diffCandidates, saveCandidate } from '../planning/index.ts';
import { isEnded } from './deployment.ts';
import { moveInTransaction } from './deployment.reconcile.ts';
import type { Pass } from './pass.reconcile.ts';
import { guarded, reconcilerActor } from './pass.reconcile.ts';
import type { RunState } from './release-run.ts';
import { moveRun } from './release-run.store.ts';

/** Checkout, build, pack, store: repeated whole after a kill, with the same bytes as result. */
export async function build(pass: Pass): Promise<Next> {
  const { release } = pass.run.facts;
  const { application } = pass.run;
  await guarded(pass, (tx, at) =>
    startBuild(tx, { release: release.id, application: release.application, commit: release.commit, tag: release.tag, at }),
  );
  const result = await buildOnce({
    source: pass.source,
    runner: pass.runner,
    store: pass.store,
    request: {
      repository: application.repository,
      commit: release.commit,
      scratch: join(pass.scratch, `${release.application}-${release.version}-${pass.lease.token}`),
      command: application.build.command,
      output: application.build.output,
      timeoutMs: application.build.timeoutSeconds * 1000,
      maxBytes: Math.floor(application.build.maxMegabytes * 1_048_576),
      environmentVariables: { SOURCE_COMMIT: release.commit, SOURCE_VERSION: release.version },
      signal: pass.lease.signal,
      onLog: (line) => pass.log(`${release.id} build: ${line}`),
    },
  });
  await guarded(pass, (tx, at) =>
    finishBuild(tx, { release: release.id, digest: result.digest, bytes: result.bytes, log: result.log, at }),
  );
  return { kind: 'again' };
}

/** Fixes what approvals and verifications will speak about. What was said about the candidate before is void from here. */
export async function reviseCandidate(pass: Pass, content: CandidateContent): Promise<Next> {
  const { candidate, release } = pass.run.facts;
  await guarded(pass, async (tx, at) => {
    const revised = await saveCandidate(tx, { release: release.id, revision: (candidate?.revision ?? 0) + 1, content, at });
    await recordChange(tx, {
      actor: reconcilerActor,
      action: candidate ? 'candidate.revised' : 'candidate.created',
      subject: `release/${release.id}`,
      ...(candidate ? { before: { digest: candidate.digest } } : {}),
      after: {
        digest: revised.digest,
        revision: revised.revision,
        ...(candidate ? { diff: diffCandidates(candidate.content, content) as unknown as Json } : { artifacts: content.artifacts }),
      },
      at,
    });
  });
  return { kind: 'again' };
}

export async function openApproval(pass: Pass, stageName: string): Promise<Next> {
  const { release, candidate, stages } = pass.run.facts;
  const rule = stages.find((s) => s.stage.name === stageName)?.stage.gates[0];
  if (!rule) return { kind: 'again' };
  await guarded(pass, async (tx, at) => {
    await openApprovalGate(tx, { release: release.id, stage: stageName, rule: { roles: rule.roles, expiresHours: rule.expiresHours }, at });
    await recordChange(tx, {
      actor: reconcilerActor,
      action: 'approval.requested',
      subject: `release/${release.id}`,
      after: { stage: stageName, roles: rule.roles, candidate: candidate?.digest ?? null },
      at,
    });
  });
  return { kind: 'again' };
}

type Outcome = Exclude<RunState, 'active' | 'rolling-back'>;

export async function finish(pass: Pass, outcome: Outcome, reason: Reason): Promise<Next> {
  await guarded(pass, (tx, at) => endRun(tx, pass, { outcome, reason, at }));
  return { kind: 'sleep' };
}

async function endRun(
  tx: Transaction,
  pass: Pass,
  end: { readonly outcome: Outcome; readonly reason: Reason; readonly at: Date },
): Promise<void> {
  const { run, release, stages } = pass.run.facts;
  const { outcome, reason, at } = end;
  await moveRun(tx, run, { state: outcome, reason, at });
  for (const { stage } of stages) await closeApprovalGate(tx, { release: release.id, stage: stage.name, at });
  await recordChange(tx, {
    actor: reconcilerActor,
    action: `release.${outcome}`,
    subject: `release/${release.id}`,
    before: { state: run.state },
    after: { state: outcome, code: reason.code },
    reason: reason.sentence,
    at,
  });
}

/**
 * The engine gave up on an action. A deployment under way turns back, so that users are on the version before; without
 * one the run ends failed and says why. While turning back itself there is nothing safer to do: it says so and waits for
 * a person to wake it.
 */
export async function giveUp(pass: Pass, fault: Fault): Promise<void> {
  const { facts } = pass.run;
  const reason: Reason = { code: fault.code, sentence: fault.message, ...(fault.remedy ? { remedy: fault.remedy } : {}) };
  const deployment = facts.current?.deployment;
  await guarded(pass, async (tx, at) => {
    if (facts.build && facts.build.state !== 'succeeded' && facts.build.state !== 'failed') {
      await failBuild(tx, { release: facts.release.id, reason, at, ...logOf(fault) });
    } else if (deployment && !isEnded(deployment.state) && !['reverting', 'withdrawing', 'settling'].includes(deployment.state)) {
      await moveInTransaction(
        tx,
        deployment,
        { state: 'reverting', reason, decidedAt: at, at },
        { action: 'deployment.reverting', reason: reason.sentence, after: { code: reason.code } },
      );
    } else if (!deployment && (facts.run.state === 'active' || facts.run.state === 'rolling-back')) {
      await endRun(tx, pass, { outcome: 'failed', reason, at });
    }
    await recordChange(tx, {
      actor: reconcilerActor,
      action: 'run.gave-up',
      subject: `release/${facts.release.id}`,
      ...(deployment ? { related: [`deployment/${deployment.id}`] } : {}),
      after: { code: fault.code, deployment: deployment?.id ?? null },
      reason: fault.message,
      at,
    });
    await pass.queue.wake(tx, [facts.release.id]);
  });
}

/** What a failed build had said until then. */
function logOf(fault: Fault): { readonly log?: readonly string[] } {
  const { log } = fault.extra;
  return Array.isArray(log) ? { log: log.map(String) } : {};
}
