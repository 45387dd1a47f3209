import { describe, expect, test } from 'vitest';
import { after, deployment, start } from '../../test/support/release-facts.ts';
import type { ProbeResult } from '../validation/index.ts';
import type { Deployment, DeploymentState } from './deployment.ts';
import { deploymentTransitions } from './deployment.ts';
import type { AnalysisFacts } from './rollout.ts';
import { nextDeploymentAction } from './rollout.ts';

const canary = (rest: Partial<Deployment> = {}) =>
  deployment('production', { previous: 'storefront-1.0.0-production-1', state: 'observing', ...rest });
const passes = (...seconds: readonly number[]): readonly ProbeResult[] =>
  seconds.map((s) => ({ at: after(s), passed: true, detail: 'HTTP 200' }));
const verdict = (kind: AnalysisFacts['verdict']['kind'], rest: Partial<AnalysisFacts> = {}): AnalysisFacts => ({
  verdict: { kind, reasons: [{ code: `judge.${kind}`, sentence: kind }] },
  step: 0,
  nextAt: after(1),
  at: start,
  ...rest,
});

function next(
  d: Deployment,
  facts: {
    readonly probes?: readonly ProbeResult[];
    readonly analysis?: AnalysisFacts;
    readonly now?: Date;
    readonly rollback?: boolean;
  } = {},
) {
  const request = facts.rollback ? { by: 'olga', reason: 'complaints', at: start } : undefined;
  return nextDeploymentAction({ deployment: d, probes: facts.probes ?? [], analysis: facts.analysis }, request, facts.now ?? start);
}

describe('before any traffic', () => {
  test('a started instance is probed until enough checks in a row passed', () => {
    const checking = canary({ state: 'checking', step: -1 });

    expect(next(checking)).toEqual({ do: 'probe' });
    expect(next(checking, { probes: passes(0), now: after(0.5) })).toMatchObject({ do: 'wait', decision: { until: after(1) } });
    expect(next(checking, { probes: passes(0, 1), now: after(1) })).toMatchObject({ do: 'shift-traffic', step: 0, weight: 5 });
  });

  test('a first version takes all users at once: there is nobody to compare with', () => {
    expect(next(deployment('production', { state: 'checking', step: -1 }), { probes: passes(0, 1), now: after(1) })).toMatchObject({
      do: 'shift-traffic',
      weight: 100,
    });
  });

  test('one that never becomes healthy turns back at its deadline', () => {
    const failed = [{ at: after(59), passed: false, detail: 'ECONNREFUSED' }];

    expect(next(canary({ state: 'checking', step: -1 }), { probes: failed, now: after(60) })).toMatchObject({
      do: 'revert',
      reason: { code: 'health.deadline' },
    });
  });

  test('one that had to be restarted turns back, though its checks pass', () => {
    expect(next(canary({ state: 'checking', step: -1, restarts: 1 }), { probes: passes(0, 1), now: after(1) })).toMatchObject({
      do: 'revert',
    });
  });
});

describe('a canary', () => {
  test('is observed each second while the judge has no verdict', () => {
    expect(next(canary(), { analysis: verdict('continue') })).toMatchObject({ do: 'wait', decision: { until: after(1) } });
    expect(next(canary(), { analysis: verdict('continue'), now: after(1) })).toEqual({ do: 'observe' });
  });

  test('that passes goes to the next share', () => {
    expect(next(canary(), { analysis: verdict('pass') })).toMatchObject({ do: 'shift-traffic', step: 1, weight: 25 });
    expect(next(canary({ step: 1 }), { analysis: verdict('pass', { step: 1 }) })).toMatchObject({
      do: 'shift-traffic',
      step: 2,
      weight: 100,
    });
  });

  test('a pass of the step before is not a pass of this one', () => {
    expect(next(canary({ step: 1 }), { analysis: verdict('pass', { step: 0 }) })).toEqual({ do: 'observe' });
  });

  test('that harms is taken back, dated by the verdict', () => {
    expect(next(canary(), { analysis: verdict('rollback', { at: after(7) }), now: after(8) })).toMatchObject({
      do: 'revert',
      decidedAt: after(7),
    });
  });

  test('without a verdict is never promoted: inconclusive turns back, or holds where the criterion says so', () => {
    const holding = canary();
    const held = {
      ...holding,
      plan: { ...holding.plan, criteria: holding.plan.criteria.map((c) => ({ ...c, onInconclusive: 'hold' as const })) },
    };

    expect(next(canary(), { analysis: verdict('inconclusive') })).toMatchObject({ do: 'revert' });
    expect(next(held, { analysis: verdict('inconclusive') })).toMatchObject({ do: 'hold' });
  });

  test('whose counts stopped coming turns back after its deadline', () => {
    expect(next(canary(), { analysis: verdict('continue', { nextAt: after(700) }), now: after(606) })).toMatchObject({
      do: 'revert',
      reason: { code: 'analysis.no-verdict' },
    });
  });

  test('whose process died turns back whatever the counts say', () => {
    expect(next(canary({ restarts: 1 }), { analysis: verdict('pass') })).toMatchObject({
      do: 'revert',
      reason: { code: 'instance.restarted' },
    });
  });
});

describe('a person’s request to roll back', () => {
  const revertible = ['starting', 'checking', 'observing', 'held', 'soaking'] as const satisfies readonly DeploymentState[];

  test.each(revertible)('wins while %s', (state) => {
    expect(next(canary({ state }), { rollback: true, analysis: verdict('pass') })).toMatchObject({
      do: 'revert',
      reason: { code: 'rollback.requested' },
    });
  });

  test('does not interrupt what is already turning back or settling', () => {
    expect(next(canary({ state: 'reverting' }), { rollback: true })).toEqual({ do: 'withdraw-traffic' });
    expect(next(canary({ state: 'settling' }), { rollback: true })).toEqual({ do: 'retire-previous' });
  });
});

describe('the soak', () => {
  test('ends with a passing check taken after its last second', () => {
    const soaking = canary({ state: 'soaking', step: 2 });

    expect(next(soaking, { probes: passes(1, 2, 3, 4), now: after(4.5) })).toMatchObject({ do: 'wait' });
    expect(next(soaking, { probes: passes(1, 2, 3, 4, 5), now: after(5) })).toMatchObject({ do: 'settle' });
  });

  test('nobody looked at ends nothing', () => {
    expect(next(canary({ state: 'soaking', step: 2 }), { now: after(100) })).toEqual({ do: 'probe' });
  });

  test('three failed checks in a row turn it back, one does not', () => {
    const failed = (...s: readonly number[]) => s.map((at) => ({ at: after(at), passed: false, detail: 'HTTP 503' }));

    expect(next(canary({ state: 'soaking', step: 2 }), { probes: failed(1, 2, 3), now: after(3) })).toMatchObject({
      do: 'revert',
      reason: { code: 'soak.unhealthy' },
    });
    expect(next(canary({ state: 'soaking', step: 2 }), { probes: failed(1), now: after(2) })).toEqual({ do: 'probe' });
  });
});

test('every state but the ended ones can be left, and turning back ends in an ended state', () => {
  for (const [state, nexts] of Object.entries(deploymentTransitions)) {
    const ended = ['succeeded', 'rolled-back', 'failed'].includes(state);

    expect(nexts.length === 0).toBe(ended);
  }
});
