import type { Reader, Transaction } from '../platform/database/database.ts';
import type { CountCursor } from '../environments/index.ts';
import type { Batch, JudgeSettings, JudgeState, Verdict } from './judge/judge.ts';

type AnalysisRow = {
  readonly deployment: string;
  readonly step: number;
  readonly settings: string | JudgeSettings;
  readonly state: string | JudgeState;
  readonly verdict: string | Verdict;
  readonly cursor: string | CountCursor | null;
  readonly next_at: Date;
  readonly updated_at: Date;
};

type BatchRow = {
  readonly deployment: string;
  readonly number: number;
  readonly step: number;
  readonly batch: string | Batch;
  readonly log_e: number;
  readonly log_e_pass: number | null;
  readonly verdict: string;
};

type Tables = {
  analysis: AnalysisRow;
  analysis_batch: BatchRow;
};

/** The judge's knowledge of one deployment, as it stood after the newest batch. */
export interface Analysis {
  readonly deployment: string;
  /** The canary step the verdict is about. */
  readonly step: number;
  readonly settings: JudgeSettings;
  readonly state: JudgeState;
  readonly verdict: Verdict;
  readonly cursor?: CountCursor;
  readonly nextAt: Date;
  readonly updatedAt: Date;
}

/** One input of the judge with what it made of it. */
export interface JudgedBatch {
  readonly step: number;
  readonly batch: Batch;
  readonly logE: number;
  /** Null while the settings ask for no early pass. */
  readonly logEPass: number | null;
  readonly verdict: Verdict['kind'];
}

export async function findAnalysis(reader: Reader, deployment: string): Promise<Analysis | undefined> {
  const row = await reader.withTables<Tables>().selectFrom('analysis').selectAll().where('deployment', '=', deployment).executeTakeFirst();
  if (!row) return undefined;
  return {
    deployment: row.deployment,
    step: row.step,
    settings: row.settings as JudgeSettings,
    state: row.state as JudgeState,
    verdict: row.verdict as Verdict,
    nextAt: row.next_at,
    updatedAt: row.updated_at,
    ...(row.cursor === null ? {} : { cursor: row.cursor as CountCursor }),
  };
}

export async function saveAnalysis(tx: Transaction, analysis: Analysis, judged: readonly JudgedBatch[]): Promise<void> {
  const columns = {
    step: analysis.step,
    settings: JSON.stringify(analysis.settings),
    state: JSON.stringify(analysis.state),
    verdict: JSON.stringify(analysis.verdict),
    cursor: analysis.cursor ? JSON.stringify(analysis.cursor) : null,
    next_at: analysis.nextAt,
    updated_at: analysis.updatedAt,
  };
  await tx
    .withTables<Tables>()
    .insertInto('analysis')
    .values({ deployment: analysis.deployment, ...columns })
    .onConflict((c) => c.column('deployment').doUpdateSet(columns))
    .execute();
  if (judged.length > 0) await saveBatches(tx, analysis.deployment, judged);
}

async function saveBatches(tx: Transaction, deployment: string, judged: readonly JudgedBatch[]): Promise<void> {
  const tables = tx.withTables<Tables>();
  const { last } = await tables
    .selectFrom('analysis_batch')
    .select((eb) => eb.fn.max('number').as('last'))
    .where('deployment', '=', deployment)
    .executeTakeFirstOrThrow();
  const rows = judged.map((j, i) => ({
    deployment,
    number: (last ?? 0) + 1 + i,
    step: j.step,
    batch: JSON.stringify(j.batch),
    log_e: j.logE,
    log_e_pass: j.logEPass,
    verdict: j.verdict,
  }));
  await tables.insertInto('analysis_batch').values(rows).execute();
}

/** The E-value path with its inputs, in order. */
export async function listJudgedBatches(
  reader: Reader,
  deployment: string,
  page: { readonly after: number; readonly limit: number },
): Promise<readonly (JudgedBatch & { readonly number: number })[]> {
  const rows = await reader
    .withTables<Tables>()
    .selectFrom('analysis_batch')
    .selectAll()
    .where('deployment', '=', deployment)
    .where('number', '>', page.after)
    .orderBy('number')
    .limit(page.limit)
    .execute();
  return rows.map((r) => ({
    number: r.number,
    step: r.step,
    batch: r.batch as Batch,
    logE: r.log_e,
    logEPass: r.log_e_pass,
    verdict: r.verdict as Verdict['kind'],
  }));
}
