import type { Decision } from '../platform/decision.ts';
import { allow, deny, undetermined } from '../platform/decision.ts';
import type { Approval, NamedFreeze } from '../governance/index.ts';
import { decideApproval, decideFreeze } from '../governance/index.ts';
import type { Candidate, Release } from '../planning/index.ts';
import { authorshipOf, stageDigest } from '../planning/index.ts';
import type { Deployment } from './deployment.ts';
import type { Stage } from './pipeline.ts';

export interface LaneFacts {
  /** `application/environment`. */
  readonly lane: string;
  readonly port: number | undefined;
  /** The release that is changing this lane right now. */
  readonly holder?: string;
  /** What serves users. */
  readonly live?: { readonly deployment: string; readonly release: string; readonly releaseCreatedAt: Date };
}

export interface StageFacts {
  readonly stage: Stage;
  readonly lane: LaneFacts;
  /** This release's newest deployment to the stage's environment. */
  readonly deployment: Deployment | undefined;
  readonly approvalGate: 'open' | 'closed' | undefined;
  readonly approvals: readonly Approval[];
  /** E-mail addresses of those who approved, to find authors behind other accounts. */
  readonly approverEmails: Readonly<Record<string, readonly string[]>>;
  readonly freezes: readonly NamedFreeze[];
}

export interface GateDecision {
  readonly gate: 'approval' | 'freeze' | 'order' | 'environment';
  readonly decision: Decision;
}

/**
 * Whether this release already stands in the stage's environment with exactly what the candidate says: because this very
 * candidate was deployed there, or an earlier one that differs only in what other stages are about.
 */
export function isPassed(stage: StageFacts, candidate: Candidate): boolean {
  const { deployment } = stage;
  if (deployment?.state !== 'succeeded') return false;
  // The digest of a stage is a function of its candidate, and hashing it is a third of a whole decision.
  if (deployment.candidateDigest === candidate.digest) return true;
  return deployment.stageDigest === stageDigest(candidate.content, stage.stage.name, stage.stage.environment);
}

/** Every gate in front of a stage, decided from facts alone. The pipeline goes on when all of them allow. */
export function stageGates(release: Release, stage: StageFacts, candidate: Candidate, now: Date): readonly GateDecision[] {
  const scope = { application: release.application, environment: stage.stage.environment };
  return [
    { gate: 'environment', decision: decideEnvironment(stage, release.application) },
    ...stage.stage.gates.map((rule) => ({
      gate: rule.kind,
      decision: decideApproval({
        rule,
        candidateDigest: candidate.digest,
        approvals: stage.approvals,
        excluded: excludedApprovers(release, stage),
        now,
      }),
    })),
    { gate: 'freeze', decision: decideFreeze(stage.freezes, scope, now) },
    { gate: 'order', decision: decideOrder(release, stage) },
  ];
}

function excludedApprovers(release: Release, stage: StageFacts): ReadonlySet<string> {
  return new Set(
    stage.approvals
      .map((a) => a.principal)
      .filter((name) => authorshipOf(release, { name, emails: stage.approverEmails[name] ?? [] }) !== undefined),
  );
}

function decideEnvironment(stage: StageFacts, application: string): Decision {
  if (stage.lane.port !== undefined)
    return allow({ code: 'environment.ready', sentence: `${stage.stage.environment} takes ${application}.` });
  return deny({
    code: 'environment.unknown-application',
    sentence: `${stage.stage.environment} does not say where users of ${application} come in.`,
    remedy: `Add ${application} with its port to the Environment ${stage.stage.environment} and apply it.`,
  });
}

/** A release never replaces one that was made after it: an old approval that comes late would be a silent downgrade. */
function decideOrder(release: Release, stage: StageFacts): Decision {
  const live = stage.lane.live;
  if (live && live.release !== release.id && live.releaseCreatedAt > release.createdAt) {
    return deny({
      code: 'release.outdated',
      sentence: `${live.release}, made after ${release.id}, already serves ${stage.stage.environment}.`,
      remedy: `Cancel ${release.id}; to go back on purpose, roll ${live.release} back.`,
    });
  }
  return allow({ code: 'order.newest', sentence: live ? `Replaces ${live.release}.` : `The first release in ${stage.stage.environment}.` });
}

/** One release at a time changes a lane. People never hold it: it is taken after the gates and given back at the end. */
export function decideLane(stage: StageFacts, release: string): Decision {
  const { holder, lane } = stage.lane;
  if (holder === undefined || holder === release) return allow({ code: 'lane.free', sentence: `${lane} is free.` });
  return undetermined({
    code: 'lane.taken',
    sentence: `${holder} is being deployed to ${lane}.`,
    remedy: 'Goes on by itself when that deployment has ended.',
    evidence: { holder },
  });
}
