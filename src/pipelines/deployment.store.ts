import { Fault } from '../platform/fault.ts';
import type { Reader, Transaction } from '../platform/database/database.ts';
import type { Reason } from '../platform/decision.ts';
import type { Deployment, DeploymentPlan, DeploymentState } from './deployment.ts';
import { isEnded, mayBecome } from './deployment.ts';

type DeploymentRow = {
  readonly id: string;
  readonly release: string;
  readonly application: string;
  readonly environment: string;
  readonly stage: string;
  readonly kind: 'release' | 'restore';
  readonly runs_release: string;
  readonly plan: string | DeploymentPlan;
  readonly stage_digest: string;
  readonly candidate_digest: string;
  readonly state: DeploymentState;
  readonly step: number;
  readonly since: Date;
  readonly instance_url: string | null;
  readonly restarts: number;
  readonly previous: string | null;
  readonly reason: string | Reason | null;
  readonly decided_at: Date | null;
  readonly zero_share_at: Date | null;
  readonly started_at: Date;
  readonly finished_at: Date | null;
};

type Tables = {
  deployment: DeploymentRow;
};

/** The unique index on deployments under way refuses a second one in the same lane, whatever the caller believed. */
export async function saveNewDeployment(tx: Transaction, deployment: Deployment): Promise<void> {
  await tx
    .withTables<Tables>()
    .insertInto('deployment')
    .values({
      id: deployment.id,
      release: deployment.release,
      application: deployment.application,
      environment: deployment.environment,
      stage: deployment.plan.stage.name,
      kind: deployment.kind,
      runs_release: deployment.runsRelease,
      plan: JSON.stringify(deployment.plan),
      stage_digest: deployment.stageDigest,
      candidate_digest: deployment.candidateDigest,
      state: deployment.state,
      step: deployment.step,
      since: deployment.since,
      instance_url: null,
      restarts: 0,
      previous: deployment.previous ?? null,
      reason: null,
      decided_at: null,
      zero_share_at: null,
      started_at: deployment.startedAt,
      finished_at: null,
    })
    .execute();
}

export interface DeploymentChange {
  readonly state: DeploymentState;
  readonly at: Date;
  readonly step?: number;
  readonly instanceUrl?: string;
  readonly reason?: Reason;
  readonly decidedAt?: Date;
  readonly zeroShareAt?: Date;
}

/** Moves it along its state table; Fault `deployment.moved` when it is no longer where the caller saw it (retryable: look again). */
export async function moveDeployment(tx: Transaction, deployment: Deployment, change: DeploymentChange): Promise<void> {
  if (!mayBecome(deployment.state, change.state)) {
    throw new Fault({
      code: 'deployment.transition',
      message: `expected a state that may follow ${deployment.state}, got ${change.state}`,
    });
  }
  const moved = await tx
    .withTables<Tables>()
    .updateTable('deployment')
    .set({
      state: change.state,
      since: change.at,
      ...(change.step === undefined ? {} : { step: change.step }),
      ...(change.instanceUrl === undefined ? {} : { instance_url: change.instanceUrl }),
      ...(change.reason === undefined ? {} : { reason: JSON.stringify(change.reason) }),
      ...(change.decidedAt === undefined ? {} : { decided_at: change.decidedAt }),
      ...(change.zeroShareAt === undefined ? {} : { zero_share_at: change.zeroShareAt }),
      ...(isEnded(change.state) ? { finished_at: change.at } : {}),
    })
    .where('id', '=', deployment.id)
    .where('state', '=', deployment.state)
    .where('step', '=', deployment.step)
    .executeTakeFirst();
  if (Number(moved.numUpdatedRows) !== 1) {
    throw new Fault({
      code: 'deployment.moved',
      status: 409,
      retryable: true,
      message: `expected ${deployment.id} to be ${deployment.state}; it has moved on`,
    });
  }
}

export async function saveRestarts(tx: Transaction, deployment: string, restarts: number): Promise<void> {
  await tx.withTables<Tables>().updateTable('deployment').set({ restarts }).where('id', '=', deployment).execute();
}

export async function findDeployment(reader: Reader, id: string): Promise<Deployment | undefined> {
  const row = await reader.withTables<Tables>().selectFrom('deployment').selectAll().where('id', '=', id).executeTakeFirst();
  return row && toDeployment(row);
}

/** Oldest first. A release has few: one a stage, more only after its candidate changed or it was rolled back. */
export async function listDeployments(reader: Reader, release: string): Promise<readonly Deployment[]> {
  const rows = await reader
    .withTables<Tables>()
    .selectFrom('deployment')
    .selectAll()
    .where('release', '=', release)
    .orderBy('started_at')
    .limit(1000)
    .execute();
  return rows.map(toDeployment);
}

function toDeployment(row: DeploymentRow): Deployment {
  return {
    id: row.id,
    release: row.release,
    application: row.application,
    environment: row.environment,
    kind: row.kind,
    runsRelease: row.runs_release,
    plan: row.plan as DeploymentPlan,
    stageDigest: row.stage_digest,
    candidateDigest: row.candidate_digest,
    state: row.state,
    step: row.step,
    since: row.since,
    restarts: row.restarts,
    startedAt: row.started_at,
    ...(row.instance_url === null ? {} : { instanceUrl: row.instance_url }),
    ...(row.previous === null ? {} : { previous: row.previous }),
    ...(row.reason === null ? {} : { reason: row.reason as Reason }),
    ...(row.decided_at === null ? {} : { decidedAt: row.decided_at }),
    ...(row.zero_share_at === null ? {} : { zeroShareAt: row.zero_share_at }),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  };
}
