import type { Decision, Reason } from '../platform/decision.ts';
import type { ProbeResult } from '../validation/index.ts';
import { decideHealth, decideSoak, nextProbeAt } from '../validation/index.ts';
import type { Deployment, PersonRequest } from './deployment.ts';
import { weightsOf } from './deployment.ts';

/** What the judge said last about the present canary step. */
export interface AnalysisFacts {
  readonly verdict: { readonly kind: 'rollback' | 'pass' | 'continue' | 'inconclusive'; readonly reasons: readonly Reason[] };
  readonly step: number;
  /** When the next batch of counts is due. */
  readonly nextAt: Date;
  /** When this verdict was reached. */
  readonly at: Date;
}

export interface DeploymentFacts {
  readonly deployment: Deployment;
  /** Since the deployment began, newest last. */
  readonly probes: readonly ProbeResult[];
  readonly analysis: AnalysisFacts | undefined;
}

/** How long the newest counts may be under way before their absence is the canary's own. */
const countsMayLagMs = 5000;

export type DeploymentAction =
  | { readonly do: 'start-instance' }
  | { readonly do: 'probe' }
  | { readonly do: 'shift-traffic'; readonly step: number; readonly weight: number; readonly reasons: readonly Reason[] }
  | { readonly do: 'observe' }
  | { readonly do: 'hold'; readonly reason: Reason }
  | { readonly do: 'settle'; readonly reasons: readonly Reason[] }
  | { readonly do: 'retire-previous' }
  | { readonly do: 'revert'; readonly reason: Reason; readonly decidedAt: Date }
  | { readonly do: 'withdraw-traffic' }
  | { readonly do: 'stop-instance' }
  | { readonly do: 'wait'; readonly decision: Decision };

/**
 * The next thing to do on a deployment under way. A person's request to roll back wins over everything until the
 * version has settled; from then on a rollback is a deployment of its own that restores the version before.
 */
export function nextDeploymentAction(facts: DeploymentFacts, rollbackRequest: PersonRequest | undefined, now: Date): DeploymentAction {
  const { state } = facts.deployment;
  if (rollbackRequest && facts.deployment.kind === 'release' && isRevertible(state)) {
    return {
      do: 'revert',
      reason: {
        code: 'rollback.requested',
        sentence: `${rollbackRequest.by} rolled it back: ${rollbackRequest.reason}`,
        evidence: { by: rollbackRequest.by },
      },
      decidedAt: now,
    };
  }
  switch (state) {
    case 'starting':
      return { do: 'start-instance' };
    case 'checking':
      return whileChecking(facts, now);
    case 'observing':
      return whileObserving(facts, now);
    case 'held':
      return { do: 'wait', decision: { effect: 'undetermined', reasons: [heldReason(facts)] } };
    case 'soaking':
      return whileSoaking(facts, now);
    case 'settling':
      return { do: 'retire-previous' };
    case 'reverting':
      return { do: 'withdraw-traffic' };
    case 'withdrawing':
      return { do: 'stop-instance' };
    default:
      return { do: 'wait', decision: { effect: 'undetermined', reasons: [{ code: 'deployment.ended', sentence: `It ended ${state}.` }] } };
  }
}

function isRevertible(state: Deployment['state']): boolean {
  return state === 'starting' || state === 'checking' || state === 'observing' || state === 'held' || state === 'soaking';
}

function whileChecking(facts: DeploymentFacts, now: Date): DeploymentAction {
  const { deployment, probes } = facts;
  const decision = decideHealth({
    check: deployment.plan.stage.healthCheck,
    since: deployment.since,
    probes,
    restarts: deployment.restarts,
    now,
  });
  const weight = weightsOf(deployment)[0] ?? 100;
  if (decision.effect === 'allow') return { do: 'shift-traffic', step: 0, weight, reasons: decision.reasons };
  return decision.effect === 'deny' ? revertFor(decision, now) : probeOrWait(facts, decision, now);
}

function whileObserving(facts: DeploymentFacts, now: Date): DeploymentAction {
  const { deployment, analysis } = facts;
  // The judge's own deadline counts seconds with traffic; this one also ends a canary whose counts stopped coming.
  const deadline = new Date(deployment.since.getTime() + (deployment.plan.criteria[0]?.deadlineSeconds ?? 0) * 1000 + countsMayLagMs);
  if (deployment.restarts > 0) return { do: 'revert', reason: restartedReason(deployment), decidedAt: now };
  if (!analysis || analysis.step !== deployment.step) return { do: 'observe' };
  const { verdict } = analysis;
  const reason = verdict.reasons[0] ?? { code: `verdict.${verdict.kind}`, sentence: `The judge says ${verdict.kind}.` };
  switch (verdict.kind) {
    case 'rollback':
      return { do: 'revert', reason, decidedAt: analysis.at };
    case 'pass': {
      const step = deployment.step + 1;
      return { do: 'shift-traffic', step, weight: weightsOf(deployment)[step] ?? 100, reasons: verdict.reasons };
    }
    case 'inconclusive':
      return endWithoutVerdict(deployment, reason, analysis.at);
    default:
      if (now >= deadline) return endWithoutVerdict(deployment, noVerdictReason(deployment), now);
      return now >= analysis.nextAt
        ? { do: 'observe' }
        : { do: 'wait', decision: { effect: 'undetermined', reasons: verdict.reasons, until: analysis.nextAt } };
  }
}

function restartedReason(deployment: Deployment): Reason {
  return {
    code: 'instance.restarted',
    sentence: `The canary's process died under traffic (${deployment.restarts} restart(s)).`,
    remedy: 'Read its log; fix and tag a new version.',
  };
}

function endWithoutVerdict(deployment: Deployment, reason: Reason, at: Date): DeploymentAction {
  return deployment.plan.criteria[0]?.onInconclusive === 'hold' ? { do: 'hold', reason } : { do: 'revert', reason, decidedAt: at };
}

function noVerdictReason(deployment: Deployment): Reason {
  return {
    code: 'analysis.no-verdict',
    sentence: `No verdict within ${deployment.plan.criteria[0]?.deadlineSeconds ?? 0} s at ${weightsOf(deployment)[deployment.step] ?? 0} %: too little traffic was counted to tell.`,
    remedy: 'Send more traffic, give the step more time, or ask for a smaller effect.',
  };
}

function whileSoaking(facts: DeploymentFacts, now: Date): DeploymentAction {
  const { deployment, probes } = facts;
  const decision = decideSoak({
    soakSeconds: deployment.plan.stage.soakSeconds,
    since: deployment.since,
    probes,
    restarts: deployment.restarts,
    now,
  });
  if (decision.effect === 'allow') return { do: 'settle', reasons: decision.reasons };
  return decision.effect === 'deny' ? revertFor(decision, now) : probeOrWait(facts, decision, now);
}

function probeOrWait(facts: DeploymentFacts, decision: Decision, now: Date): DeploymentAction {
  const last = facts.probes.at(-1);
  const due = nextProbeAt(facts.deployment.plan.stage.healthCheck, last && last.at >= facts.deployment.since ? last : undefined, now);
  return now >= due ? { do: 'probe' } : { do: 'wait', decision: { ...decision, until: due } };
}

function revertFor(decision: Decision, now: Date): DeploymentAction {
  return { do: 'revert', reason: decision.reasons[0] ?? { code: 'gate.denied', sentence: 'A gate denied it.' }, decidedAt: now };
}

function heldReason(facts: DeploymentFacts): Reason {
  const why = facts.deployment.reason?.sentence ?? 'the verdict is inconclusive';
  return {
    code: 'deployment.held',
    sentence: `Held at ${weightsOf(facts.deployment)[facts.deployment.step] ?? 0} %: ${why}`,
    remedy: 'A release manager continues it (`tidegate release continue`) or rolls it back (`tidegate rollback`).',
  };
}
