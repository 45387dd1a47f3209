import { z } from 'zod';
import type { Reason } from '../platform/decision.ts';
import type { Candidate, Release } from '../planning/index.ts';
import type { Deployment } from './deployment.ts';
import { weightsOf } from './deployment.ts';
import type { ReleaseRun } from './release-run.ts';
import type { WhyNode } from './why.ts';

/** Times are ISO 8601 in UTC. */
const time = z.iso.datetime();

export const ReasonView = z.object({
  code: z.string(),
  sentence: z.string(),
  remedy: z.string().optional(),
  evidence: z.record(z.string(), z.unknown()).optional(),
});

export const DecisionView = z.object({
  effect: z.enum(['allow', 'deny', 'undetermined']),
  reasons: z.array(ReasonView),
  until: time.optional(),
});

export const ReleaseView = z.object({
  id: z.string(),
  application: z.string(),
  version: z.string(),
  tag: z.string(),
  commit: z.string(),
  signer: z.string(),
  createdBy: z.string(),
  createdAt: time,
  state: z.enum(['active', 'completed', 'rolling-back', 'rolled-back', 'failed', 'cancelled']),
  reason: ReasonView.optional(),
});
export type ReleaseView = z.infer<typeof ReleaseView>;

export const DeploymentView = z.object({
  id: z.string(),
  release: z.string(),
  runsRelease: z.string(),
  environment: z.string(),
  stage: z.string(),
  kind: z.enum(['release', 'restore']),
  state: z.string(),
  weight: z.number().describe('Percent of users on it, as last set'),
  candidate: z.string(),
  since: time,
  startedAt: time,
  finishedAt: time.optional(),
  reason: ReasonView.optional(),
  decidedAt: time.optional(),
  zeroShareAt: time.optional(),
  millisecondsToZeroShare: z.number().optional(),
});
export type DeploymentView = z.infer<typeof DeploymentView>;

export const CandidateView = z.object({
  revision: z.number(),
  digest: z.string(),
  createdAt: time,
  content: z.record(z.string(), z.unknown()),
  diff: z.array(z.object({ pointer: z.string(), before: z.unknown(), after: z.unknown() })).describe('Against the revision before'),
});

export const WhyView: z.ZodType<WhyAnswer> = z
  .object({
    subject: z.string(),
    effect: z.enum(['allow', 'deny', 'undetermined']),
    reasons: z.array(ReasonView),
    until: time.optional(),
    get children() {
      return z.array(WhyView);
    },
  })
  .meta({ id: 'Why' }) as z.ZodType<WhyAnswer>;
export interface WhyAnswer {
  readonly subject: string;
  readonly effect: 'allow' | 'deny' | 'undetermined';
  readonly reasons: readonly Reason[];
  readonly until?: string | undefined;
  readonly children: readonly WhyAnswer[];
}

export function viewOfRelease(release: Release, run: Pick<ReleaseRun, 'state' | 'reason'>): ReleaseView {
  const { id, application, version, tag, commit, signer, createdBy } = release;
  return {
    id,
    application,
    version,
    tag,
    commit,
    signer,
    createdBy,
    createdAt: release.createdAt.toISOString(),
    state: run.state,
    ...reasonOf(run.reason),
  };
}

export function viewOfDeployment(d: Deployment): DeploymentView {
  const live = d.state === 'succeeded' || d.state === 'settling' ? 100 : (weightsOf(d)[d.step] ?? 0);
  return {
    id: d.id,
    release: d.release,
    runsRelease: d.runsRelease,
    environment: d.environment,
    stage: d.plan.stage.name,
    kind: d.kind,
    state: d.state,
    weight: d.zeroShareAt ? 0 : live,
    candidate: d.candidateDigest,
    since: d.since.toISOString(),
    startedAt: d.startedAt.toISOString(),
    ...(d.finishedAt ? { finishedAt: d.finishedAt.toISOString() } : {}),
    ...reasonOf(d.reason),
    ...(d.decidedAt ? { decidedAt: d.decidedAt.toISOString() } : {}),
    ...(d.zeroShareAt ? { zeroShareAt: d.zeroShareAt.toISOString() } : {}),
    ...(d.decidedAt && d.zeroShareAt ? { millisecondsToZeroShare: d.zeroShareAt.getTime() - d.decidedAt.getTime() } : {}),
  };
}

export function viewOfCandidate(candidate: Candidate, diff: z.infer<typeof CandidateView>['diff']): z.infer<typeof CandidateView> {
  return {
    revision: candidate.revision,
    digest: candidate.digest,
    createdAt: candidate.createdAt.toISOString(),
    content: { ...candidate.content },
    diff,
  };
}

export function viewOfWhy(node: WhyNode): WhyAnswer {
  return {
    subject: node.subject,
    effect: node.effect,
    reasons: node.reasons,
    ...(node.until ? { until: node.until.toISOString() } : {}),
    children: node.children.map(viewOfWhy),
  };
}

type ReasonAnswer = z.infer<typeof ReasonView>;

export function viewOfReason(reason: Reason): ReasonAnswer {
  return {
    code: reason.code,
    sentence: reason.sentence,
    ...(reason.remedy ? { remedy: reason.remedy } : {}),
    ...(reason.evidence ? { evidence: { ...reason.evidence } } : {}),
  };
}

function reasonOf(reason: Reason | undefined): { readonly reason?: ReasonAnswer } {
  return reason ? { reason: viewOfReason(reason) } : {};
}
