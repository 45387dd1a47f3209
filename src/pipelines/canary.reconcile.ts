import type { Transaction } from '../platform/database/database.ts';
import type { Json } from '../platform/digest.ts';
import { Fault } from '../platform/fault.ts';
import { recordChange } from '../platform/ledger/record.store.ts';
import type { Next } from '../platform/queue/index.ts';
import { laneOf } from '../environments/index.ts';
import type { Analysis, JudgedBatch, JudgeSettings } from '../validation/index.ts';
import {
  findAnalysis,
  observe as judge,
  openJudge,
  openStage,
  resolveSettings,
  saveAnalysis,
  toJudgeBatch,
  verdictOf,
} from '../validation/index.ts';
import type { Deployment } from './deployment.ts';
import { weightsOf } from './deployment.ts';
import { saveRestarts } from './deployment.store.ts';
import type { Pass } from './pass.reconcile.ts';
import { guarded, reconcilerActor } from './pass.reconcile.ts';

/** Counts are read as often as the router closes a batch. */
const observeEveryMs = 1000;

function settingsOf(deployment: Deployment): JudgeSettings {
  const criterion = deployment.plan.criteria[0];
  if (!criterion)
    throw new Fault({ code: 'criterion.missing', message: 'expected a rollback criterion; the pipeline should have been refused' });
  return resolveSettings({
    method: criterion.method,
    // The whole watch, over which a method with restarts spreads its evidence.
    horizonSeconds: criterion.deadlineSeconds * weightsOf(deployment).length,
    alpha: criterion.alpha,
    toleratedRatio: criterion.toleratedRatio,
    nonInferiorityRatio: criterion.nonInferiorityRatio,
    beta: criterion.beta,
    minimumSeconds: criterion.minimumSeconds,
    deadlineSeconds: criterion.deadlineSeconds,
  });
}

/** A new share of traffic: the evidence of harm goes on, the evidence of being good enough starts afresh. */
export async function openAnalysisStep(
  tx: Transaction,
  pass: Pass,
  deployment: Deployment,
  opening: { readonly step: number; readonly at: Date },
): Promise<void> {
  const before = await findAnalysis(tx, deployment.id);
  const settings = before?.settings ?? settingsOf(deployment);
  const state = before ? openStage(before.state) : openJudge(settings);
  // Counts from before the canary had any share are of no use: the first cursor is where the router stands now.
  const cursor = before?.cursor ?? (await pass.router.readCounts(laneOf(deployment.application, deployment.environment))).cursor;
  await saveAnalysis(
    tx,
    {
      deployment: deployment.id,
      step: opening.step,
      settings,
      state,
      verdict: verdictOf(state),
      cursor,
      nextAt: new Date(opening.at.getTime() + observeEveryMs),
      updatedAt: opening.at,
    },
    [],
  );
}

/** Feeds the newest counts to the judge. State, inputs and cursor are stored together, so no count is judged twice or never. */
export async function observe(pass: Pass, deployment: Deployment): Promise<Next> {
  const analysis = await findAnalysis(pass.db, deployment.id);
  if (!analysis) throw new Fault({ code: 'analysis.missing', message: `expected an analysis of ${deployment.id}, found none` });
  const page = await pass.router.readCounts(laneOf(deployment.application, deployment.environment), analysis.cursor);
  const instance = await pass.target.findInstance(deployment.id);
  const arms = { canary: deployment.id, stable: deployment.previous ?? '', weight: weightsOf(deployment)[deployment.step] ?? 0 };
  const batches = page.batches.map((b) => toJudgeBatch(b, arms)).filter((b) => b !== undefined);
  const judged: JudgedBatch[] = [];
  let { state } = analysis;
  for (const batch of batches) {
    state = judge(state, batch);
    const verdict = verdictOf(state);
    judged.push({ step: deployment.step, batch, logE: verdict.logE, logEPass: verdict.logEPass, verdict: verdict.kind });
    if (verdict.kind === 'rollback') break;
  }
  const restarts = (instance?.restarts ?? 0) + (instance?.state === 'failed' ? 1 : 0);
  await guarded(pass, async (tx, at) => {
    const next: Analysis = {
      ...analysis,
      step: deployment.step,
      state,
      verdict: verdictOf(state),
      cursor: page.cursor,
      nextAt: new Date(at.getTime() + observeEveryMs),
      updatedAt: at,
    };
    await saveAnalysis(tx, next, judged);
    if (restarts !== deployment.restarts) await saveRestarts(tx, deployment.id, restarts);
    if (next.verdict.kind !== 'continue' && next.verdict.kind !== analysis.verdict.kind) await recordVerdict(tx, deployment, next);
  });
  return { kind: 'again' };
}

async function recordVerdict(tx: Transaction, deployment: Deployment, analysis: Analysis): Promise<void> {
  const { verdict } = analysis;
  await recordChange(tx, {
    actor: reconcilerActor,
    action: 'analysis.verdict',
    subject: `deployment/${deployment.id}`,
    related: [`release/${deployment.release}`, `environment/${deployment.environment}`],
    after: { weight: weightsOf(deployment)[deployment.step] ?? 0, verdict: JSON.parse(JSON.stringify(verdict)) as Json },
    reason: verdict.sentence,
    at: analysis.updatedAt,
  });
}
