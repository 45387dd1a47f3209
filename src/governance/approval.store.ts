import type { Reader, Transaction } from '../platform/database/database.ts';
import type { Approval, ApprovalGate, ApprovalRule } from './approval.ts';

type GateRow = {
  readonly release: string;
  readonly stage: string;
  readonly rule: string | ApprovalRule;
  readonly state: 'open' | 'closed';
  readonly opened_at: Date;
  readonly closed_at: Date | null;
};

type ApprovalRow = {
  readonly release: string;
  readonly stage: string;
  readonly principal: string;
  readonly candidate_digest: string;
  readonly roles: string | readonly string[];
  readonly emails: string | readonly string[];
  readonly decision: 'approve' | 'reject';
  readonly reason: string | null;
  readonly at: Date;
};

type Tables = {
  approval_gate: GateRow;
  approval: ApprovalRow;
};

/** Who decided, with the e-mail addresses they had then: an author is recognised behind another account. */
export interface StoredApproval extends Approval {
  readonly stage: string;
  readonly emails: readonly string[];
}

/** Idempotent: an open gate stays as it is, a closed one is opened again (the candidate changed after a deployment). */
export async function openApprovalGate(
  tx: Transaction,
  gate: { readonly release: string; readonly stage: string; readonly rule: ApprovalRule; readonly at: Date },
): Promise<void> {
  await tx
    .withTables<Tables>()
    .insertInto('approval_gate')
    .values({
      release: gate.release,
      stage: gate.stage,
      rule: JSON.stringify(gate.rule),
      state: 'open',
      opened_at: gate.at,
      closed_at: null,
    })
    .onConflict((c) => c.columns(['release', 'stage']).doUpdateSet({ state: 'open', rule: JSON.stringify(gate.rule), closed_at: null }))
    .execute();
}

/** Idempotent. From now on nobody decides here any more. */
export async function closeApprovalGate(
  tx: Transaction,
  gate: { readonly release: string; readonly stage: string; readonly at: Date },
): Promise<void> {
  await tx
    .withTables<Tables>()
    .updateTable('approval_gate')
    .set({ state: 'closed', closed_at: gate.at })
    .where('release', '=', gate.release)
    .where('stage', '=', gate.stage)
    .where('state', '=', 'open')
    .execute();
}

/** With `lock`, held until the transaction ends: an approval and the closing of its gate never cross. */
export async function listApprovalGates(
  reader: Reader,
  release: string,
  options: { readonly lock?: boolean } = {},
): Promise<readonly ApprovalGate[]> {
  const query = reader
    .withTables<Tables>()
    .selectFrom('approval_gate')
    .selectAll()
    .where('release', '=', release)
    .orderBy('opened_at')
    .orderBy('stage');
  const rows = await (options.lock ? query.forUpdate() : query).execute();
  return rows.map((r) => ({ release: r.release, stage: r.stage, rule: r.rule as ApprovalRule, state: r.state }));
}

export async function listApprovals(reader: Reader, release: string): Promise<readonly StoredApproval[]> {
  const rows = await reader
    .withTables<Tables>()
    .selectFrom('approval')
    .selectAll()
    .where('release', '=', release)
    .orderBy('at')
    .limit(1000)
    .execute();
  return rows.map((r) => ({
    stage: r.stage,
    principal: r.principal,
    roles: r.roles as readonly string[],
    emails: r.emails as readonly string[],
    decision: r.decision,
    candidateDigest: r.candidate_digest,
    at: r.at,
    ...(r.reason === null ? {} : { reason: r.reason }),
  }));
}

/** One row a person, stage and candidate: the newest word counts. */
export async function saveApproval(tx: Transaction, release: string, approval: StoredApproval): Promise<void> {
  const decided = {
    roles: JSON.stringify(approval.roles),
    emails: JSON.stringify(approval.emails),
    decision: approval.decision,
    reason: approval.reason ?? null,
    at: approval.at,
  };
  await tx
    .withTables<Tables>()
    .insertInto('approval')
    .values({ release, stage: approval.stage, principal: approval.principal, candidate_digest: approval.candidateDigest, ...decided })
    .onConflict((c) => c.columns(['release', 'stage', 'principal', 'candidate_digest']).doUpdateSet(decided))
    .execute();
}

/** Open questions to people, oldest first, by a partial index. */
export async function listOpenGates(reader: Reader, limit: number): Promise<readonly (ApprovalGate & { readonly openedAt: Date })[]> {
  const rows = await reader
    .withTables<Tables>()
    .selectFrom('approval_gate')
    .selectAll()
    .where('state', '=', 'open')
    .orderBy('opened_at')
    .limit(limit)
    .execute();
  return rows.map((r) => ({ release: r.release, stage: r.stage, rule: r.rule as ApprovalRule, state: r.state, openedAt: r.opened_at }));
}
