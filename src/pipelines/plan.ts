import type { Decision } from '../platform/decision.ts';
import { every } from '../platform/decision.ts';
import { nextOpening } from '../governance/index.ts';
import { authorshipOf } from '../planning/index.ts';
import type { Strategy } from './pipeline.ts';
import type { RunFacts } from './release-run.ts';
import type { GateDecision, StageFacts } from './stage-gates.ts';
import { decideLane, isPassed, stageGates } from './stage-gates.ts';

/** Somebody who holds a role, as far as the plan needs to know. */
export interface RoleHolder {
  readonly name: string;
  readonly emails: readonly string[];
}

export interface PlannedStage {
  readonly stage: string;
  readonly environment: string;
  /** `passed`: nothing to do. `refused`: something must change first. */
  readonly standing: 'passed' | 'open' | 'waiting' | 'refused';
  readonly decision: Decision;
  readonly gates: readonly GateDecision[];
  /** By role: how many, who could be asked, and who holds the role but had a part in making the release. */
  readonly asks: readonly {
    readonly role: string;
    readonly count: number;
    readonly people: readonly string[];
    readonly excluded: readonly string[];
  }[];
  /** What would be done, in order, in words. */
  readonly steps: readonly string[];
  /** The first instant from now on that no freeze covers. */
  readonly nextOpening: Date;
}

/** What would happen, who would be asked, when it could happen: the same decisions the pipeline takes, without acting. */
export function planTo(
  facts: RunFacts,
  environment: string,
  holders: Readonly<Record<string, readonly RoleHolder[]>>,
): readonly PlannedStage[] {
  const last = facts.stages.findIndex((s) => s.stage.environment === environment);
  return facts.stages.slice(0, last + 1).map((stage) => planStage(facts, stage, holders));
}

function planStage(facts: RunFacts, stage: StageFacts, holders: Readonly<Record<string, readonly RoleHolder[]>>): PlannedStage {
  const { release, candidate, now } = facts;
  const passed = candidate !== undefined && isPassed(stage, candidate);
  const gates = candidate ? stageGates(release, stage, candidate, now) : [];
  const decision = candidate
    ? every([...gates.map((g) => g.decision), decideLane(stage, release.id)])
    : ({
        effect: 'undetermined',
        reasons: [{ code: 'candidate.none', sentence: 'There is no candidate before the build has succeeded.' }],
      } as const);
  return {
    stage: stage.stage.name,
    environment: stage.stage.environment,
    standing: passed ? 'passed' : standingOf(decision),
    decision,
    gates,
    asks: passed
      ? []
      : stage.stage.gates.flatMap((gate) =>
          Object.entries(gate.roles).map(([role, count]) => ({ role, count, ...askable(facts, holders[role] ?? []) })),
        ),
    steps: passed ? [] : stepsOf(stage),
    nextOpening: nextOpening(stage.freezes, { application: release.application, environment: stage.stage.environment }, now),
  };
}

function standingOf(decision: Decision): PlannedStage['standing'] {
  if (decision.effect === 'allow') return 'open';
  return decision.effect === 'deny' ? 'refused' : 'waiting';
}

function askable(
  facts: RunFacts,
  holders: readonly RoleHolder[],
): { readonly people: readonly string[]; readonly excluded: readonly string[] } {
  const hadPart = (h: RoleHolder) => authorshipOf(facts.release, h) !== undefined;
  return { people: holders.filter((h) => !hadPart(h)).map((h) => h.name), excluded: holders.filter(hadPart).map((h) => h.name) };
}

function stepsOf(stage: StageFacts): readonly string[] {
  const { strategy, healthCheck, soakSeconds, environment } = stage.stage;
  const live = stage.lane.live;
  return [
    `start it in ${environment}`,
    `${healthCheck.consecutive} health checks of ${healthCheck.path} in a row, within ${healthCheck.deadlineSeconds} s`,
    ...trafficSteps(strategy, live?.release),
    ...(soakSeconds > 0 ? [`stay healthy with all traffic for ${soakSeconds} s`] : []),
    ...(live ? [`stop ${live.release}`] : []),
  ];
}

function trafficSteps(strategy: Strategy, live: string | undefined): readonly string[] {
  if (live === undefined) return ['send all users to it: nothing runs there yet to compare with'];
  if (strategy.kind === 'all-at-once') return [`send all users to it instead of ${live}`];
  return strategy.steps.map((step) =>
    step.weight === 100 ? 'send all users to it' : `send ${step.weight} % of users to it until the judge has a verdict against ${live}`,
  );
}
