import type { Digest } from '../platform/digest.ts';
import type { Transaction } from '../platform/database/database.ts';
import { Fault } from '../platform/fault.ts';
import { recordChange } from '../platform/ledger/record.store.ts';
import type { Next } from '../platform/queue/index.ts';
import { lockResources } from '../platform/resources/index.ts';
import { effectiveConfiguration } from '../environments/index.ts';
import { closeApprovalGate, listApprovalGates } from '../governance/index.ts';
import { stageDigest } from '../planning/index.ts';
import type { Deployment, DeploymentPlan } from './deployment.ts';
import { findDeployment, listDeployments, saveNewDeployment } from './deployment.store.ts';
import { takeLane } from './lane.store.ts';
import type { Pass } from './pass.reconcile.ts';
import { guarded, reconcilerActor } from './pass.reconcile.ts';
import type { RunFacts } from './release-run.ts';
import { nextAction } from './release-run.ts';
import { findRun, moveRun } from './release-run.store.ts';
import type { LoadedRun } from './run-facts.store.ts';
import { loadRun } from './run-facts.store.ts';
import { stageGates } from './stage-gates.ts';

/**
 * Takes the lane and writes the deployment down; nothing outside has changed yet. The gates are decided once more inside
 * the transaction, on rows that approvals, freezes and requests cannot change meanwhile. Ends the lease, because the
 * lane's next fencing token must be newer than any its last holder used.
 */
export async function begin(pass: Pass, stage: string, kind: 'release' | 'restore'): Promise<Next> {
  const { lease, queue } = pass;
  const began = await guarded(pass, async (tx, now) => {
    await findRun(tx, lease.key, { lock: true });
    await listApprovalGates(tx, lease.key, { lock: true });
    await lockResources(tx, 'read');
    const run = await loadRun(tx, lease.key, now);
    const action = run && nextAction(run.facts);
    const wanted = kind === 'release' ? 'begin-deployment' : 'begin-restore';
    if (!run || action?.do !== wanted || action.stage !== stage) return false;
    const deployment = await newDeployment(tx, run, stage, kind);
    if (!(await takeLane(tx, deployment.application, deployment.environment, lease.key))) return false;
    await saveNewDeployment(tx, deployment);
    await recordBeginning(tx, run, deployment);
    await queue.wake(tx, [lease.key]);
    return true;
  });
  return began ? { kind: 'sleep' } : { kind: 'again' };
}

async function newDeployment(tx: Transaction, run: LoadedRun, stageName: string, kind: 'release' | 'restore'): Promise<Deployment> {
  const { facts } = run;
  const stage = facts.stages.find((s) => s.stage.name === stageName);
  if (!stage) throw new Fault({ code: 'stage.unknown', message: `expected a stage of the pipeline, got ${stageName}` });
  const number = (await listDeployments(tx, facts.release.id)).filter((d) => d.environment === stage.stage.environment).length + 1;
  const common = {
    id: `${facts.release.application}-${facts.release.version}-${stage.stage.environment}-${number}`,
    release: facts.release.id,
    application: facts.release.application,
    environment: stage.stage.environment,
    kind,
    state: 'starting' as const,
    step: -1,
    since: facts.now,
    restarts: 0,
    startedAt: facts.now,
    ...(stage.lane.live ? { previous: stage.lane.live.deployment } : {}),
  };
  return kind === 'restore'
    ? { ...common, ...(await planOfRestore(tx, stage.deployment)) }
    : { ...common, runsRelease: facts.release.id, ...planOfRelease(run, stageName) };
}

function planOfRelease(run: LoadedRun, stageName: string): Pick<Deployment, 'plan' | 'stageDigest' | 'candidateDigest'> {
  const { facts, pipeline, application, environments } = run;
  const stage = pipeline.stages.find((s) => s.name === stageName);
  const environment = stage && environments[stage.environment];
  const port = environment?.applications[facts.release.application]?.port;
  const artifactDigest = facts.candidate?.content.artifacts[facts.release.application];
  if (!stage || !environment || port === undefined || !facts.candidate || !artifactDigest) {
    throw new Fault({
      code: 'deployment.incomplete',
      message: 'expected a candidate, a stage and a port for users; the gates should have refused this',
    });
  }
  const plan: DeploymentPlan = {
    stage,
    criteria: pipeline.rollback.criteria,
    port,
    version: facts.release.version,
    artifactDigest,
    command: application.run.command,
    configuration: effectiveConfiguration(application.configuration, environment, facts.release.application),
  };
  return {
    plan,
    stageDigest: stageDigest(facts.candidate.content, stage.name, stage.environment),
    candidateDigest: facts.candidate.digest,
  };
}

/** Exactly what ran before: bytes, configuration and command of the deployment that this release replaced, all at once. */
async function planOfRestore(
  tx: Transaction,
  replaced: Deployment | undefined,
): Promise<Pick<Deployment, 'plan' | 'stageDigest' | 'candidateDigest' | 'runsRelease'>> {
  const before = replaced?.previous ? await findDeployment(tx, replaced.previous) : undefined;
  if (!before)
    throw new Fault({
      code: 'rollback.no-previous',
      status: 409,
      message: 'expected a version that ran before this one, found none',
      remedy: 'Release a new version: there is nothing to go back to.',
    });
  return {
    plan: { ...before.plan, stage: { ...before.plan.stage, strategy: { kind: 'all-at-once' }, soakSeconds: 0 } },
    stageDigest: before.stageDigest,
    candidateDigest: before.candidateDigest,
    runsRelease: before.runsRelease,
  };
}

async function startRollback(tx: Transaction, { run, release, now }: RunFacts): Promise<void> {
  await moveRun(tx, run, { state: 'rolling-back', at: now });
  await recordChange(tx, {
    actor: reconcilerActor,
    action: 'release.rolling-back',
    subject: `release/${release.id}`,
    before: { state: run.state },
    after: { state: 'rolling-back' },
    at: now,
  });
}

async function recordBeginning(tx: Transaction, run: LoadedRun, deployment: Deployment): Promise<void> {
  const { facts } = run;
  const stage = facts.stages.find((s) => s.stage.name === deployment.plan.stage.name);
  if (deployment.kind === 'restore' && facts.run.state === 'active') await startRollback(tx, facts);
  if (deployment.kind === 'release')
    await closeApprovalGate(tx, { release: deployment.release, stage: deployment.plan.stage.name, at: facts.now });
  const decisions = stage && facts.candidate ? stageGates(facts.release, stage, facts.candidate, facts.now) : [];
  await recordChange(tx, {
    actor: reconcilerActor,
    action: 'deployment.started',
    subject: `deployment/${deployment.id}`,
    related: [`release/${deployment.release}`, `environment/${deployment.environment}`],
    after: {
      kind: deployment.kind,
      release: deployment.runsRelease,
      environment: deployment.environment,
      candidate: deployment.candidateDigest as Digest,
      artifact: deployment.plan.artifactDigest,
      previous: deployment.previous ?? null,
      gates:
        deployment.kind === 'release'
          ? decisions.map((g) => ({ gate: g.gate, effect: g.decision.effect, reasons: g.decision.reasons.map((r) => r.sentence) }))
          : [],
    },
    at: facts.now,
  });
}
