import { z } from 'zod';
import type { Transaction } from '../platform/database/database.ts';
import { every } from '../platform/decision.ts';
import { Fault } from '../platform/fault.ts';
import type { Call, Route } from '../platform/http/index.ts';
import { write } from '../platform/http/index.ts';
import { recordChange } from '../platform/ledger/record.store.ts';
import type { Queue } from '../platform/queue/index.ts';
import { nextOpening } from '../governance/index.ts';
import { findAnalysis, openStage, saveAnalysis, verdictOf } from '../validation/index.ts';
import { moveDeployment } from './deployment.store.ts';
import type { RunFacts } from './release-run.ts';
import { findRun, moveRun, saveRequest } from './release-run.store.ts';
import { ReleaseView, viewOfRelease } from './release-view.ts';
import { loadRun } from './run-facts.store.ts';
import type { StageFacts } from './stage-gates.ts';
import { isPassed, stageGates } from './stage-gates.ts';

export interface RequestDeps {
  readonly queue: Queue;
}

const params = z.strictObject({ release: z.string().min(1).max(160) });
const WithReason = z.strictObject({ reason: z.string().trim().min(3, 'expected why, in at least three letters').max(1000) });
type ReleaseCall<Body> = Call<z.infer<typeof params>, unknown, Body>;

/** What people ask of a release under way. Each is one transaction that writes the wish down and wakes the run. */
export function releaseRequestRoutes({ queue }: RequestDeps): readonly Route[] {
  const common = { method: 'POST', params, result: ReleaseView, status: 202 } as const;
  const act =
    <Body>(perform: (tx: Transaction, call: ReleaseCall<Body>, facts: RunFacts) => Promise<void>) =>
    async (call: ReleaseCall<Body>, tx: Transaction) => {
      const facts = await lockedFacts(tx, call.params.release, call.at);
      await perform(tx, call, facts);
      await queue.wake(tx, [facts.release.id]);
      return { body: viewOfRelease(facts.release, facts.run) };
    };
  return [
    write({
      ...common,
      path: '/api/v1/releases/:release/promotions',
      operation: 'promoteRelease',
      access: 'release.promote',
      summary: 'Go on to an environment now, or say what holds it',
      body: z.strictObject({ environment: z.string().min(1).max(63) }),
      handle: act(promote),
    }),
    write({
      ...common,
      path: '/api/v1/releases/:release/rollback',
      operation: 'rollBackRelease',
      access: 'release.roll-back',
      summary: 'Put users back on the version before',
      body: WithReason,
      handle: act(rollBack),
    }),
    write({
      ...common,
      path: '/api/v1/releases/:release/cancel',
      operation: 'cancelRelease',
      access: 'release.promote',
      summary: 'Stop a release that is not being deployed',
      body: WithReason,
      handle: act(cancel),
    }),
    write({
      ...common,
      path: '/api/v1/releases/:release/continue',
      operation: 'continueRelease',
      access: 'release.promote',
      summary: 'Give a held canary another span of time at its share',
      body: WithReason,
      handle: act(continueHeld),
    }),
  ];
}

async function lockedFacts(tx: Transaction, release: string, at: Date): Promise<RunFacts> {
  await findRun(tx, release, { lock: true });
  const run = await loadRun(tx, release, at);
  if (run) return run.facts;
  throw new Fault({
    code: 'release.unknown',
    status: 404,
    message: `expected a release named ${release}, found none`,
    remedy: 'List them: tidegate get releases',
  });
}

/** The stages go on by themselves; asking answers at once with what holds them: 423 frozen, 409 otherwise. */
async function promote(tx: Transaction, call: ReleaseCall<{ readonly environment: string }>, facts: RunFacts): Promise<void> {
  const { environment } = call.body;
  const stage = facts.stages.find((s) => s.stage.environment === environment);
  if (!stage)
    throw new Fault({
      code: 'environment.unknown',
      status: 404,
      message: `expected one of ${facts.stages.map((s) => s.stage.environment).join(', ')}, got ${environment}`,
    });
  refuseEnded(facts);
  refuseWhatHolds(facts, stage);
  await recordChange(tx, {
    actor: call.principal.name,
    action: 'release.promotion-requested',
    subject: `release/${facts.release.id}`,
    after: { environment },
    at: call.at,
  });
}

function refuseEnded(facts: RunFacts): void {
  if (facts.run.state === 'active') return;
  throw new Fault({
    code: 'release.ended',
    status: 409,
    message: `expected a release under way; ${facts.release.id} is ${facts.run.state}`,
    remedy: 'Tag a new version.',
  });
}

function refuseWhatHolds(facts: RunFacts, stage: StageFacts): void {
  const { candidate, release, now } = facts;
  if (!candidate)
    throw new Fault({
      code: 'candidate.none',
      status: 409,
      message: 'expected a built candidate, the build has not finished',
      remedy: `Watch it: tidegate watch ${release.id}`,
    });
  const before = facts.stages.slice(0, facts.stages.indexOf(stage)).find((s) => !isPassed(s, candidate));
  const decisions = stageGates(release, stage, candidate, now);
  const frozen = decisions.find((g) => g.gate === 'freeze' && g.decision.effect !== 'allow');
  if (frozen) {
    const opening = nextOpening(stage.freezes, { application: release.application, environment: stage.stage.environment }, now);
    const [reason] = frozen.decision.reasons;
    throw new Fault({
      code: 'freeze.active',
      status: 423,
      message: reason?.sentence ?? `${stage.stage.environment} is frozen`,
      remedy: reason?.remedy ?? 'Wait.',
      extra: { nextOpening: opening.toISOString(), reasons: frozen.decision.reasons },
    });
  }
  if (before)
    throw new Fault({
      code: 'stage.not-passed',
      status: 409,
      message: `expected ${before.stage.name} to be passed first`,
      remedy: `See what it waits for: tidegate why ${release.id}`,
    });
  const held = every(decisions.map((g) => g.decision));
  if (held.effect !== 'allow')
    throw new Fault({
      code: held.reasons[0]?.code ?? 'gate.closed',
      status: 409,
      message: held.reasons[0]?.sentence ?? 'a gate holds it',
      remedy: held.reasons[0]?.remedy ?? `tidegate why ${release.id}`,
      extra: { reasons: held.reasons },
    });
}

async function rollBack(tx: Transaction, call: ReleaseCall<{ readonly reason: string }>, facts: RunFacts): Promise<void> {
  const { release, run, stages } = facts;
  const request = { by: call.principal.name, reason: call.body.reason, at: call.at };
  const underWay = run.state === 'active' || run.state === 'rolling-back';
  // Asking twice is asking once.
  if (run.rollbackRequest && underWay) return;
  if (run.state === 'completed') {
    const live = stages.at(-1)?.lane.live;
    if (live?.release !== release.id)
      throw new Fault({
        code: 'rollback.not-live',
        status: 409,
        message: `expected ${release.id} to serve ${stages.at(-1)?.stage.environment ?? 'the last stage'}; ${live?.release ?? 'nothing'} does`,
        remedy: `Roll ${live?.release ?? 'that'} back instead.`,
      });
    if (!stages.at(-1)?.deployment?.previous)
      throw new Fault({
        code: 'rollback.no-previous',
        status: 409,
        message: 'expected a version that ran before this one, found none',
        remedy: 'Release a new version: there is nothing to go back to.',
      });
    await moveRun(tx, run, { state: 'rolling-back', at: call.at });
  } else if (run.state !== 'active' || !facts.current) {
    throw new Fault({
      code: 'rollback.nothing',
      status: 409,
      message: `expected a deployment under way or a release that serves; ${release.id} is ${run.state}`,
      remedy: run.state === 'active' ? `Cancel it: tidegate release cancel ${release.id}` : 'Nothing of it is left to take back.',
    });
  }
  await saveRequest(tx, release.id, 'rollback', request);
  await recordChange(tx, {
    actor: call.principal.name,
    action: 'release.rollback-requested',
    subject: `release/${release.id}`,
    reason: call.body.reason,
    at: call.at,
  });
}

async function cancel(tx: Transaction, call: ReleaseCall<{ readonly reason: string }>, facts: RunFacts): Promise<void> {
  refuseEnded(facts);
  if (facts.current)
    throw new Fault({
      code: 'release.deploying',
      status: 409,
      message: `expected a release that waits; it is being deployed to ${facts.current.deployment.environment}`,
      remedy: `Roll it back: tidegate rollback ${facts.release.id}`,
    });
  await saveRequest(tx, facts.release.id, 'cancel', { by: call.principal.name, reason: call.body.reason, at: call.at });
  await recordChange(tx, {
    actor: call.principal.name,
    action: 'release.cancellation-requested',
    subject: `release/${facts.release.id}`,
    reason: call.body.reason,
    at: call.at,
  });
}

async function continueHeld(tx: Transaction, call: ReleaseCall<{ readonly reason: string }>, facts: RunFacts): Promise<void> {
  const deployment = facts.current?.deployment;
  if (deployment?.state !== 'held')
    throw new Fault({
      code: 'release.not-held',
      status: 409,
      message: 'expected a canary that is held',
      remedy: `See what it does: tidegate status ${facts.release.id}`,
    });
  const analysis = await findAnalysis(tx, deployment.id);
  if (analysis) {
    const state = openStage(analysis.state);
    await saveAnalysis(tx, { ...analysis, state, verdict: verdictOf(state), nextAt: call.at, updatedAt: call.at }, []);
  }
  await moveDeployment(tx, deployment, { state: 'observing', at: call.at });
  await recordChange(tx, {
    actor: call.principal.name,
    action: 'deployment.continued',
    subject: `deployment/${deployment.id}`,
    related: [`release/${facts.release.id}`],
    before: { state: 'held', step: deployment.step },
    after: { state: 'observing' },
    reason: call.body.reason,
    at: call.at,
  });
}
