import type { Decision, Effect, Reason } from '../platform/decision.ts';
import { every } from '../platform/decision.ts';
import { candidateDigest } from '../planning/index.ts';
import { isEnded, weightsOf } from './deployment.ts';
import type { RunFacts } from './release-run.ts';
import { nextAction } from './release-run.ts';
import type { StageFacts } from './stage-gates.ts';
import { decideLane, isPassed, stageGates } from './stage-gates.ts';

/** A node of the answer to "why is it not in production?": what was decided, on what grounds, and what would unblock it. */
export interface WhyNode {
  readonly subject: string;
  readonly effect: Effect;
  readonly reasons: readonly Reason[];
  /** When time alone will change it. */
  readonly until?: Date;
  readonly children: readonly WhyNode[];
}

function leaf(subject: string, decision: Decision): WhyNode {
  return {
    subject,
    effect: decision.effect,
    reasons: decision.reasons,
    ...(decision.until ? { until: decision.until } : {}),
    children: [],
  };
}

function branch(subject: string, children: readonly WhyNode[]): WhyNode {
  const whole = every(
    children.map((c) => ({ effect: c.effect, reasons: c.effect === 'allow' ? [] : c.reasons, ...(c.until ? { until: c.until } : {}) })),
  );
  return { subject, effect: whole.effect, reasons: whole.reasons, ...(whole.until ? { until: whole.until } : {}), children };
}

/** The whole way to `environment` (the last stage's by default) as a tree of decisions; allow means: it is there. */
export function why(facts: RunFacts, environment?: string): WhyNode {
  const last = facts.stages.findIndex((s) => s.stage.environment === (environment ?? facts.stages.at(-1)?.stage.environment));
  const stages = facts.stages.slice(0, last + 1);
  return branch(`${facts.release.id} in ${environment ?? stages.at(-1)?.stage.environment ?? 'nowhere'}`, [
    ...whyEnded(facts),
    leaf('build', whyBuild(facts)),
    ...stages.map((stage) => whyStage(facts, stage)),
  ]);
}

function whyEnded(facts: RunFacts): readonly WhyNode[] {
  const { run } = facts;
  if (run.state === 'active' || run.state === 'completed') return [];
  const reason = run.reason ?? { code: `release.${run.state}`, sentence: `The release is ${run.state}.` };
  return [
    leaf('release', {
      effect: run.state === 'rolling-back' ? 'undetermined' : 'deny',
      reasons: [{ ...reason, remedy: reason.remedy ?? 'Tag a new version.' }],
    }),
  ];
}

function whyBuild(facts: RunFacts): Decision {
  switch (facts.build?.state) {
    case 'succeeded':
      return { effect: 'allow', reasons: [{ code: 'build.succeeded', sentence: `Built from ${facts.release.commit.slice(0, 12)}.` }] };
    case 'failed':
      return {
        effect: 'deny',
        reasons: [facts.build.reason ?? { code: 'build.failed', sentence: 'The build failed.', remedy: 'Fix it and tag a new version.' }],
      };
    default:
      return { effect: 'undetermined', reasons: [{ code: 'build.pending', sentence: 'The build has not finished.' }] };
  }
}

function whyStage(facts: RunFacts, stage: StageFacts): WhyNode {
  const { candidate } = facts;
  const subject = `stage ${stage.stage.name}`;
  if (!candidate)
    return leaf(subject, {
      effect: 'undetermined',
      reasons: [{ code: 'candidate.none', sentence: 'There is no candidate before the build has succeeded.' }],
    });
  if (isPassed(stage, candidate))
    return leaf(subject, {
      effect: 'allow',
      reasons: [{ code: 'stage.passed', sentence: `${facts.release.id} runs in ${stage.stage.environment}.` }],
    });
  const current = facts.current?.deployment;
  if (current && current.environment === stage.stage.environment && !isEnded(current.state)) return leaf(subject, whyDeployment(facts));
  if (stage.deployment && (stage.deployment.state === 'rolled-back' || stage.deployment.state === 'failed')) {
    const reason = stage.deployment.reason ?? {
      code: `deployment.${stage.deployment.state}`,
      sentence: `The deployment ended ${stage.deployment.state}.`,
    };
    return leaf(subject, { effect: 'deny', reasons: [{ ...reason, remedy: reason.remedy ?? 'Tag a new version.' }] });
  }
  return branch(subject, [
    ...stageGates(facts.release, stage, candidate, facts.now).map((g) => leaf(`gate ${g.gate}`, g.decision)),
    leaf('lane', decideLane(stage, facts.release.id)),
  ]);
}

/** What a deployment under way is doing: never `allow`, because it is not there yet. */
function whyDeployment(facts: RunFacts): Decision {
  const current = facts.current;
  if (!current) return { effect: 'undetermined', reasons: [] };
  const { deployment } = current;
  const action = nextAction(facts);
  const share = deployment.step >= 0 ? `, ${weightsOf(deployment)[deployment.step] ?? 0} % of users` : '';
  const state: Reason = {
    code: `deployment.${deployment.state}`,
    sentence: `Being deployed to ${deployment.environment}: ${deployment.state}${share}.`,
  };
  const waiting = action?.do === 'wait' ? action.decision.reasons : [];
  const effect = deployment.state === 'reverting' || deployment.state === 'withdrawing' ? 'deny' : 'undetermined';
  return { effect, reasons: [state, ...(deployment.reason ? [deployment.reason] : []), ...waiting] };
}

/** One line for lists: what the release does or waits for right now. */
export function standing(facts: RunFacts): Reason {
  const { run } = facts;
  if (run.state !== 'active' && run.state !== 'rolling-back')
    return run.reason ?? { code: `release.${run.state}`, sentence: `It is ${run.state}.` };
  const stale = facts.candidate && facts.proposed && candidateDigest(facts.proposed) !== facts.candidate.digest;
  if (stale && !facts.current) return { code: 'candidate.changing', sentence: 'The candidate is being revised.' };
  const action = nextAction(facts);
  if (!action) return { code: 'run.idle', sentence: 'Nothing to do.' };
  if (action.do === 'wait') return action.decision.reasons[0] ?? { code: 'run.waiting', sentence: 'It waits.' };
  const deployment = facts.current?.deployment;
  return {
    code: `run.${action.do}`,
    sentence: deployment ? `${deployment.environment}: ${action.do.replaceAll('-', ' ')}.` : `Next: ${action.do.replaceAll('-', ' ')}.`,
  };
}
