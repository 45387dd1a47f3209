import type { Transaction } from '../platform/database/database.ts';
import type { Reason } from '../platform/decision.ts';
import type { Json } from '../platform/digest.ts';
import { Fault } from '../platform/fault.ts';
import { recordChange } from '../platform/ledger/record.store.ts';
import type { Next } from '../platform/queue/index.ts';
import type { Fence, Route } from '../environments/index.ts';
import { laneOf } from '../environments/index.ts';
import { probeHttp, saveProbe } from '../validation/index.ts';
import { observe, openAnalysisStep } from './canary.reconcile.ts';
import type { Deployment, DeploymentState } from './deployment.ts';
import { moveDeployment, saveRestarts } from './deployment.store.ts';
import { giveLaneBack, setLive } from './lane.store.ts';
import type { Pass } from './pass.reconcile.ts';
import { guarded, reconcilerActor } from './pass.reconcile.ts';
import { listRunsUnderWay } from './release-run.store.ts';
import type { DeploymentAction } from './rollout.ts';

/** How long a version that left the route may finish what it began. */
const stopGraceMs = 10_000;

export async function performOnDeployment(pass: Pass, action: Exclude<DeploymentAction, { readonly do: 'wait' }>): Promise<Next> {
  const deployment = pass.run.facts.current?.deployment;
  if (!deployment) return { kind: 'again' };
  switch (action.do) {
    case 'start-instance':
      return startInstance(pass, deployment);
    case 'probe':
      return probe(pass, deployment);
    case 'shift-traffic':
      return shiftTraffic(pass, deployment, action);
    case 'observe':
      return observe(pass, deployment);
    case 'hold':
      return move(
        pass,
        deployment,
        { state: 'held', reason: action.reason },
        { action: 'deployment.held', reason: action.reason.sentence },
      );
    case 'settle':
      return settle(pass, deployment, action.reasons);
    case 'retire-previous':
      return retirePrevious(pass, deployment);
    case 'revert':
      return move(
        pass,
        deployment,
        { state: 'reverting', reason: action.reason, decidedAt: action.decidedAt },
        {
          action: 'deployment.reverting',
          reason: action.reason.sentence,
          after: { code: action.reason.code, evidence: (action.reason.evidence ?? {}) as Json },
        },
      );
    case 'withdraw-traffic':
      return withdrawTraffic(pass, deployment);
    default:
      return stopInstance(pass, deployment);
  }
}

function fenceOf(pass: Pass, deployment: Deployment): Fence {
  return { lane: laneOf(deployment.application, deployment.environment), token: pass.lease.token };
}

interface Told {
  readonly action: string;
  readonly after?: Readonly<Record<string, Json>>;
  readonly reason?: string;
}

/** State and ledger entry of one step of a deployment, in the caller's transaction. */
export async function moveInTransaction(
  tx: Transaction,
  deployment: Deployment,
  change: Parameters<typeof moveDeployment>[2],
  told: Told,
): Promise<void> {
  await moveDeployment(tx, deployment, change);
  await recordChange(tx, {
    actor: reconcilerActor,
    action: told.action,
    subject: `deployment/${deployment.id}`,
    related: [`release/${deployment.release}`, `environment/${deployment.environment}`],
    before: { state: deployment.state, step: deployment.step },
    after: {
      state: change.state,
      ...(change.step === undefined ? {} : { step: change.step }),
      ...told.after,
    },
    ...(told.reason === undefined ? {} : { reason: told.reason }),
    at: change.at,
  });
}

type ChangeWithoutTime = Omit<Parameters<typeof moveDeployment>[2], 'at'>;

async function move(pass: Pass, deployment: Deployment, change: ChangeWithoutTime, told: Told): Promise<Next> {
  await guarded(pass, (tx, at) => moveInTransaction(tx, deployment, { ...change, at }, told));
  return { kind: 'again' };
}

async function startInstance(pass: Pass, deployment: Deployment): Promise<Next> {
  const { plan } = deployment;
  const instance = await pass.target.ensureInstance(
    {
      name: deployment.id,
      application: deployment.application,
      environment: deployment.environment,
      version: plan.version,
      artifactDigest: plan.artifactDigest,
      command: plan.command,
      environmentVariables: plan.configuration,
    },
    fenceOf(pass, deployment),
  );
  if (instance.state === 'failed') {
    throw new Fault({
      code: 'instance.failed',
      message: `expected ${deployment.id} to start; ${instance.failure ?? 'it failed'}`,
      remedy: 'Read its log; fix and tag a new version.',
    });
  }
  return move(
    pass,
    deployment,
    { state: 'checking', instanceUrl: instance.url },
    { action: 'deployment.instance-started', after: { url: instance.url, artifact: plan.artifactDigest } },
  );
}

async function probe(pass: Pass, deployment: Deployment): Promise<Next> {
  const instance = await pass.target.findInstance(deployment.id);
  const check = deployment.plan.stage.healthCheck;
  const result = instance
    ? await probeHttp(instance.url, check, pass.clock)
    : { at: pass.clock.now(), passed: false, detail: 'the host knows no such instance' };
  await guarded(pass, async (tx) => {
    await saveProbe(tx, deployment.id, result);
    const restarts = (instance?.restarts ?? 0) + (instance?.state === 'failed' ? 1 : 0);
    if (restarts !== deployment.restarts) await saveRestarts(tx, deployment.id, restarts);
  });
  return { kind: 'again' };
}

/** The route as it should be with `weight` percent on the new version; the version before stays in it, warm, until the end. */
function routeWith(pass: Pass, deployment: Deployment, weight: number): Route {
  const { previous } = pass.run;
  const arm = (d: Deployment, share: number) => ({
    deployment: d.id,
    version: d.plan.version,
    upstream: d.instanceUrl ?? '',
    weight: share,
  });
  const arms = previous ? [arm(previous, 100 - weight), arm(deployment, weight)] : [arm(deployment, 100)];
  return { lane: laneOf(deployment.application, deployment.environment), port: deployment.plan.port, arms };
}

async function shiftTraffic(
  pass: Pass,
  deployment: Deployment,
  action: { readonly step: number; readonly weight: number; readonly reasons: readonly Reason[] },
): Promise<Next> {
  const status = await pass.router.setRoute(routeWith(pass, deployment, action.weight), fenceOf(pass, deployment));
  const state: DeploymentState = action.weight === 100 ? 'soaking' : 'observing';
  await guarded(pass, async (tx, at) => {
    await moveInTransaction(
      tx,
      deployment,
      { state, step: action.step, at },
      {
        action: 'deployment.traffic-shifted',
        after: { weight: action.weight, generation: status.generation, reasons: action.reasons as unknown as Json },
        ...reasonOf(action.reasons),
      },
    );
    if (state === 'observing') await openAnalysisStep(tx, pass, deployment, { step: action.step, at });
  });
  return { kind: 'again' };
}

function reasonOf(reasons: readonly Reason[]): { readonly reason?: string } {
  return reasons[0] ? { reason: reasons[0].sentence } : {};
}

/** From here the new version is what is live; the route names it alone, so the version before drains. */
async function settle(pass: Pass, deployment: Deployment, reasons: readonly Reason[]): Promise<Next> {
  const route = routeWith(pass, deployment, 100);
  await pass.router.setRoute({ ...route, arms: route.arms.filter((a) => a.deployment === deployment.id) }, fenceOf(pass, deployment));
  await guarded(pass, async (tx, at) => {
    await moveInTransaction(
      tx,
      deployment,
      { state: 'settling', at },
      { action: 'deployment.settled', after: { live: deployment.runsRelease }, ...reasonOf(reasons) },
    );
    await setLive(tx, deployment.application, deployment.environment, deployment.id);
  });
  return { kind: 'again' };
}

async function retirePrevious(pass: Pass, deployment: Deployment): Promise<Next> {
  if (deployment.previous) await pass.target.stopInstance(deployment.previous, fenceOf(pass, deployment), stopGraceMs);
  await guarded(pass, async (tx, at) => {
    await moveInTransaction(
      tx,
      deployment,
      { state: 'succeeded', at },
      { action: 'deployment.succeeded', after: { release: deployment.runsRelease, retired: deployment.previous ?? null } },
    );
    await freeLane(pass, tx, deployment);
  });
  return { kind: 'again' };
}

/**
 * Users back on the version before, whatever the route says now: a kill between a shift and its transaction leaves a
 * share that no row knows of.
 */
async function withdrawTraffic(pass: Pass, deployment: Deployment): Promise<Next> {
  const route = routeWith(pass, deployment, 0);
  const fence = fenceOf(pass, deployment);
  if (pass.run.previous) await pass.router.setRoute({ ...route, arms: route.arms.filter((a) => a.deployment !== deployment.id) }, fence);
  else await pass.router.removeRoute(fence.lane, fence);
  const zeroShareAt = pass.clock.now();
  const milliseconds = deployment.decidedAt ? zeroShareAt.getTime() - deployment.decidedAt.getTime() : null;
  return move(
    pass,
    deployment,
    { state: 'withdrawing', zeroShareAt },
    { action: 'deployment.traffic-withdrawn', after: { weight: 0, millisecondsAfterDecision: milliseconds } },
  );
}

async function stopInstance(pass: Pass, deployment: Deployment): Promise<Next> {
  await pass.target.stopInstance(deployment.id, fenceOf(pass, deployment), stopGraceMs);
  const state = deployment.step >= 0 ? 'rolled-back' : 'failed';
  await guarded(pass, async (tx, at) => {
    await moveInTransaction(
      tx,
      deployment,
      { state, at },
      {
        action: `deployment.${state}`,
        after: { release: deployment.runsRelease },
        ...(deployment.reason ? { reason: deployment.reason.sentence } : {}),
      },
    );
    await freeLane(pass, tx, deployment);
  });
  return { kind: 'again' };
}

/** Gives the lane back and wakes everybody of this application who may have waited for it. */
async function freeLane(pass: Pass, tx: Transaction, deployment: Deployment): Promise<void> {
  await giveLaneBack(tx, deployment.application, deployment.environment, deployment.release);
  const others = await listRunsUnderWay(tx, deployment.application);
  await pass.queue.wake(
    tx,
    others.filter((id) => id !== deployment.release),
  );
}
