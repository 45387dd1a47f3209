import type { Decision, Reason } from '../platform/decision.ts';
import { every } from '../platform/decision.ts';
import type { Candidate, CandidateContent, Release } from '../planning/index.ts';
import { candidateDigest } from '../planning/index.ts';
import type { Deployment, PersonRequest } from './deployment.ts';
import { isEnded } from './deployment.ts';
import type { DeploymentAction, DeploymentFacts } from './rollout.ts';
import { nextDeploymentAction } from './rollout.ts';
import type { StageFacts } from './stage-gates.ts';
import { decideLane, isPassed, stageGates } from './stage-gates.ts';

/** Where a release is on its way. What it waits for is not stored: it is decided anew from the facts each time. */
export type RunState = 'active' | 'completed' | 'rolling-back' | 'rolled-back' | 'failed' | 'cancelled';

export const runTransitions = {
  active: ['completed', 'rolling-back', 'rolled-back', 'failed', 'cancelled'],
  completed: ['rolling-back'],
  'rolling-back': ['rolled-back', 'failed'],
  'rolled-back': [],
  failed: [],
  cancelled: [],
} as const satisfies Record<RunState, readonly RunState[]>;

export interface ReleaseRun {
  readonly release: string;
  readonly state: RunState;
  /** Which version of the application's pipeline this run follows to its end. */
  readonly pipeline: { readonly name: string; readonly version: number };
  readonly rollbackRequest?: PersonRequest;
  readonly cancelRequest?: PersonRequest;
  readonly reason?: Reason;
  readonly finishedAt?: Date;
}

/** Everything `nextAction` may look at, read in one go. */
export interface RunFacts {
  readonly now: Date;
  readonly release: Release;
  readonly run: ReleaseRun;
  readonly build: { readonly state: 'queued' | 'running' | 'succeeded' | 'failed'; readonly reason?: Reason } | undefined;
  /** The newest candidate, absent until the build succeeded. */
  readonly candidate: Candidate | undefined;
  /** What the candidate would be made of with the configuration as it is now; absent until the build succeeded. */
  readonly proposed: CandidateContent | undefined;
  /** In the pipeline's order. */
  readonly stages: readonly StageFacts[];
  /** The deployment of this run that has not ended, with what was measured on it. */
  readonly current: DeploymentFacts | undefined;
  /** The newest `restore` of this run, ended or not. */
  readonly restore: Deployment | undefined;
}

export type Action =
  | { readonly do: 'build' }
  | { readonly do: 'revise-candidate'; readonly content: CandidateContent }
  | { readonly do: 'open-approval'; readonly stage: string }
  | { readonly do: 'begin-deployment'; readonly stage: string }
  | { readonly do: 'begin-restore'; readonly stage: string }
  | DeploymentAction
  | { readonly do: 'finish'; readonly outcome: Exclude<RunState, 'active' | 'rolling-back'>; readonly reason: Reason }
  | { readonly do: 'wait'; readonly decision: Decision };

/** The one next thing to do for a release, or what it waits for. Level-triggered: the same facts give the same action. */
export function nextAction(facts: RunFacts): Action | undefined {
  if (facts.current) return nextDeploymentAction(facts.current, facts.run.rollbackRequest, facts.now);
  switch (facts.run.state) {
    case 'active':
      return nextOnTheWay(facts);
    case 'rolling-back':
      return nextInRestore(facts);
    default:
      return undefined;
  }
}

function nextOnTheWay(facts: RunFacts): Action {
  const { run, build, candidate, proposed } = facts;
  const ended = endOf(facts);
  if (ended) return ended;
  if (run.rollbackRequest) return nextOnLateRollback(facts, run.rollbackRequest);
  if (run.cancelRequest)
    return {
      do: 'finish',
      outcome: 'cancelled',
      reason: { code: 'run.cancelled', sentence: `${run.cancelRequest.by} cancelled it: ${run.cancelRequest.reason}` },
    };
  if (build?.state !== 'succeeded' || !proposed) return { do: 'build' };
  if (!candidate || candidateDigest(proposed) !== candidate.digest) return { do: 'revise-candidate', content: proposed };
  const stage = facts.stages.find((s) => !isPassed(s, candidate));
  if (!stage)
    return {
      do: 'finish',
      outcome: 'completed',
      reason: { code: 'run.completed', sentence: `Passed ${facts.stages.map((s) => s.stage.name).join(', ')}.` },
    };
  return nextInStage(facts, stage, candidate);
}

/** The request came between two deployments: what already serves in the last stage is taken back, otherwise it just stops here. */
function nextOnLateRollback(facts: RunFacts, request: PersonRequest): Action {
  const last = facts.stages.at(-1);
  if (last?.deployment?.state === 'succeeded') return nextInRestore(facts);
  return {
    do: 'finish',
    outcome: 'cancelled',
    reason: {
      code: 'run.cancelled',
      sentence: `${request.by} asked to roll back before ${last?.stage.environment ?? 'the last stage'} was reached: ${request.reason}`,
    },
  };
}

/** A build or deployment that failed ends the run: the way on is a new version. */
function endOf(facts: RunFacts): Action | undefined {
  if (facts.build?.state === 'failed')
    return { do: 'finish', outcome: 'failed', reason: facts.build.reason ?? { code: 'build.failed', sentence: 'The build failed.' } };
  for (const stage of facts.stages) {
    const state = stage.deployment?.state;
    if (state === 'rolled-back' || state === 'failed') {
      return {
        do: 'finish',
        outcome: state,
        reason: stage.deployment?.reason ?? {
          code: `deployment.${state}`,
          sentence: `The deployment to ${stage.stage.environment} ended ${state}.`,
        },
      };
    }
  }
  return undefined;
}

function nextInStage(facts: RunFacts, stage: StageFacts, candidate: Candidate): Action {
  if (stage.stage.gates.length > 0 && stage.approvalGate === undefined) return { do: 'open-approval', stage: stage.stage.name };
  const gates = stageGates(facts.release, stage, candidate, facts.now).map((g) => g.decision);
  const decision = every([...gates, decideLane(stage, facts.release.id)]);
  return decision.effect === 'allow' ? { do: 'begin-deployment', stage: stage.stage.name } : { do: 'wait', decision };
}

function nextInRestore(facts: RunFacts): Action {
  const last = facts.stages.at(-1);
  if (!last)
    return { do: 'finish', outcome: 'failed', reason: { code: 'pipeline.empty', sentence: 'The pipeline has no stage to restore.' } };
  if (facts.restore && isEnded(facts.restore.state)) {
    return facts.restore.state === 'succeeded'
      ? {
          do: 'finish',
          outcome: 'rolled-back',
          reason: {
            code: 'run.rolled-back',
            sentence: `${facts.run.rollbackRequest?.by ?? 'Somebody'} rolled it back: ${facts.run.rollbackRequest?.reason ?? ''}; ${facts.restore.runsRelease} serves again.`,
          },
        }
      : {
          do: 'finish',
          outcome: 'failed',
          reason: facts.restore.reason ?? { code: 'restore.failed', sentence: `Bringing back ${facts.restore.runsRelease} failed.` },
        };
  }
  const lane = decideLane(last, facts.release.id);
  return lane.effect === 'allow' ? { do: 'begin-restore', stage: last.stage.name } : { do: 'wait', decision: lane };
}
