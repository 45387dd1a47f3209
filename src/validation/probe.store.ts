import type { Reader, Transaction } from '../platform/database/database.ts';
import type { ProbeResult } from './health-check.ts';

type ProbeRow = {
  readonly deployment: string;
  readonly at: Date;
  readonly passed: boolean;
  readonly detail: string;
};

type Tables = {
  probe: ProbeRow;
};

/** Idempotent by deployment and time. */
export async function saveProbe(tx: Transaction, deployment: string, probe: ProbeResult): Promise<void> {
  await tx
    .withTables<Tables>()
    .insertInto('probe')
    .values({ deployment, at: probe.at, passed: probe.passed, detail: probe.detail.slice(0, 500) })
    .onConflict((c) => c.doNothing())
    .execute();
}

/** The newest hundred, oldest first: more than any check asks for in a row. */
export async function listRecentProbes(reader: Reader, deployment: string): Promise<readonly ProbeResult[]> {
  const rows = await reader
    .withTables<Tables>()
    .selectFrom('probe')
    .select(['at', 'passed', 'detail'])
    .where('deployment', '=', deployment)
    .orderBy('at', 'desc')
    .limit(100)
    .execute();
  return rows.toReversed();
}
