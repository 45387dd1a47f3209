import type { Fault } from '../platform/fault.ts';
import type { Lease, Next, Reconciler } from '../platform/queue/index.ts';
import type { Pass, RunDependencies } from './pass.reconcile.ts';
import { performOnDeployment } from './deployment.reconcile.ts';
import { build, finish, giveUp, openApproval, reviseCandidate } from './run-actions.reconcile.ts';
import type { Action } from './release-run.ts';
import { nextAction } from './release-run.ts';
import { loadRun } from './run-facts.store.ts';
import { begin } from './begin-deployment.reconcile.ts';

/**
 * Drives release runs: load the facts, decide the one next action, do it through a driver, store what happened in one
 * guarded transaction. Every action is safe to repeat, so a kill -9 between any two lines costs a repetition and nothing else.
 */
export function releaseReconciler(dependencies: RunDependencies): Reconciler {
  return {
    concurrency: 8,
    retry: { maxAttempts: 12, firstMs: 500, maxMs: 30_000 },
    async step(lease: Lease): Promise<Next> {
      const now = dependencies.clock.now();
      const run = await loadRun(dependencies.db, lease.key, now);
      const action = run && nextAction(run.facts);
      if (!run || !action) return { kind: 'sleep' };
      if (action.do === 'wait') return action.decision.until ? { kind: 'sleep', until: action.decision.until } : { kind: 'sleep' };
      return perform({ ...dependencies, lease, run }, action);
    },
    async giveUp(lease: Lease, fault: Fault): Promise<void> {
      const run = await loadRun(dependencies.db, lease.key, dependencies.clock.now());
      if (run) await giveUp({ ...dependencies, lease, run }, fault);
    },
  };
}

async function perform(pass: Pass, action: Exclude<Action, { readonly do: 'wait' }>): Promise<Next> {
  switch (action.do) {
    case 'build':
      return build(pass);
    case 'revise-candidate':
      return reviseCandidate(pass, action.content);
    case 'open-approval':
      return openApproval(pass, action.stage);
    case 'begin-deployment':
      return begin(pass, action.stage, 'release');
    case 'begin-restore':
      return begin(pass, action.stage, 'restore');
    case 'finish':
      return finish(pass, action.outcome, action.reason);
    default:
      return performOnDeployment(pass, action);
  }
}
