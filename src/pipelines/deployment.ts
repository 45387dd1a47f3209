import type { Stage, RollbackCriterion } from './pipeline.ts';
import type { Reason } from '../platform/decision.ts';

/**
 * One release entering one environment. The states in the order of a good day; `reverting` is reachable from every
 * state in which the version before still stands ready.
 */
export type DeploymentState =
  | 'starting'
  | 'checking'
  | 'observing'
  | 'held'
  | 'soaking'
  | 'settling'
  | 'succeeded'
  | 'reverting'
  | 'withdrawing'
  | 'rolled-back'
  | 'failed';

export const deploymentTransitions = {
  starting: ['checking', 'reverting'],
  checking: ['observing', 'soaking', 'reverting'],
  observing: ['observing', 'soaking', 'held', 'reverting'],
  held: ['observing', 'reverting'],
  soaking: ['settling', 'reverting'],
  settling: ['succeeded'],
  succeeded: [],
  reverting: ['withdrawing'],
  withdrawing: ['rolled-back', 'failed'],
  'rolled-back': [],
  failed: [],
} as const satisfies Record<DeploymentState, readonly DeploymentState[]>;

export function mayBecome(from: DeploymentState, to: DeploymentState): boolean {
  return (deploymentTransitions[from] as readonly DeploymentState[]).includes(to);
}

export function isEnded(state: DeploymentState): boolean {
  return deploymentTransitions[state].length === 0;
}

/** Something a person asked for, with their reason: it is acted on at the run's next step. */
export interface PersonRequest {
  readonly by: string;
  readonly reason: string;
  readonly at: Date;
}

/** What will run and how it will be brought in: fixed when the deployment begins, whatever is applied afterwards. */
export interface DeploymentPlan {
  readonly stage: Stage;
  readonly criteria: readonly RollbackCriterion[];
  readonly port: number;
  readonly version: string;
  readonly artifactDigest: string;
  readonly command: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
}

export interface Deployment {
  readonly id: string;
  /** Of the release whose run this deployment belongs to. */
  readonly release: string;
  readonly application: string;
  readonly environment: string;
  /** `restore` brings a former version back after its successor was rolled back. */
  readonly kind: 'release' | 'restore';
  /** The release whose version runs: another one than `release` in a `restore`. */
  readonly runsRelease: string;
  readonly plan: DeploymentPlan;
  readonly stageDigest: string;
  readonly candidateDigest: string;
  readonly state: DeploymentState;
  /** Index into the canary's steps; -1 before any traffic. */
  readonly step: number;
  /** When the present state (and step) began. */
  readonly since: Date;
  readonly instanceUrl?: string;
  readonly restarts: number;
  /** What was live when this deployment began. */
  readonly previous?: string;
  /** Why it was taken back. */
  readonly reason?: Reason;
  readonly decidedAt?: Date;
  /** When its share of traffic was zero again. */
  readonly zeroShareAt?: Date;
  readonly startedAt: Date;
  readonly finishedAt?: Date;
}

/** Percent of users for the new version at each step; a version with nobody before it takes everything at once. */
export function weightsOf(deployment: Pick<Deployment, 'plan' | 'previous'>): readonly number[] {
  const { strategy } = deployment.plan.stage;
  if (deployment.previous === undefined || strategy.kind === 'all-at-once') return [100];
  return strategy.steps.map((s) => s.weight);
}
