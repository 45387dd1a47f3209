import { describe, expect, test } from 'vitest';
import { after, candidate, content, deployment, runFacts, stageFacts, start } from '../../test/support/release-facts.ts';
import type { Approval } from '../governance/index.ts';
import { nextAction } from './release-run.ts';

const passedStaging = stageFacts('staging', { deployment: deployment('staging') });
const approved: Approval = { principal: 'sam', roles: ['security'], decision: 'approve', candidateDigest: candidate.digest, at: start };
const black = {
  name: 'black-friday',
  from: start.toISOString(),
  to: after(3600).toISOString(),
  environments: ['production'],
  applications: [],
  reason: 'peak',
};

function atProduction(rest: Parameters<typeof stageFacts>[1] = {}) {
  return runFacts({ stages: [passedStaging, stageFacts('production', { approvalGate: 'open', approvals: [approved], ...rest })] });
}

describe('a release under way', () => {
  test('is built first', () => {
    expect(nextAction(runFacts({ build: undefined, candidate: undefined, proposed: undefined }))).toEqual({ do: 'build' });
  });

  test('gets its candidate once it is built', () => {
    expect(nextAction(runFacts({ candidate: undefined }))).toMatchObject({ do: 'revise-candidate' });
  });

  test('whose configuration changed gets a new candidate before anything else', () => {
    const proposed = { ...content, configuration: { ...content.configuration, production: { BANNER: 'sale' } } };

    expect(nextAction({ ...atProduction(), proposed })).toEqual({ do: 'revise-candidate', content: proposed });
  });

  test('enters the first stage it has not passed', () => {
    expect(nextAction(runFacts())).toEqual({ do: 'begin-deployment', stage: 'staging' });
  });

  test('passes a stage again when what ran there is not the candidate any more', () => {
    const stale = stageFacts('staging', {
      deployment: deployment('staging', { candidateDigest: 'sha256:old', stageDigest: 'sha256:old' }),
    });

    expect(nextAction(runFacts({ stages: [stale, stageFacts('production')] }))).toEqual({ do: 'begin-deployment', stage: 'staging' });
  });

  test('stays past a stage that its new candidate leaves as it was', () => {
    const earlier = stageFacts('staging', { deployment: deployment('staging', { candidateDigest: 'sha256:old' }) });

    expect(nextAction(runFacts({ stages: [earlier, stageFacts('production')] }))).toEqual({ do: 'open-approval', stage: 'production' });
  });

  test('asks people when it reaches their gate', () => {
    expect(nextAction(runFacts({ stages: [passedStaging, stageFacts('production')] }))).toEqual({
      do: 'open-approval',
      stage: 'production',
    });
  });

  test('waits for people without a time limit of its own', () => {
    const action = nextAction(atProduction({ approvals: [] }));

    expect(action).toMatchObject({ do: 'wait', decision: { effect: 'undetermined' } });
    expect(action?.do === 'wait' && action.decision.until).toBeUndefined();
  });

  test('goes to production when the gates allow', () => {
    expect(nextAction(atProduction())).toEqual({ do: 'begin-deployment', stage: 'production' });
  });

  test('waits in a freeze until its end, though everybody approved', () => {
    expect(nextAction(atProduction({ freezes: [black] }))).toMatchObject({ do: 'wait', decision: { effect: 'deny', until: after(3600) } });
  });

  test('an author’s approval does not count, even behind another account with the same e-mail', () => {
    const action = nextAction(
      atProduction({ approvals: [{ ...approved, principal: 'dana-2' }], approverEmails: { 'dana-2': ['Dana@Example.test'] } }),
    );

    expect(action).toMatchObject({ do: 'wait', decision: { effect: 'undetermined' } });
  });

  test('waits while another release is being deployed to the same place', () => {
    const action = nextAction(atProduction({ lane: { lane: 'storefront/production', port: 4501, holder: 'storefront@1.0.9' } }));

    expect(action).toMatchObject({ do: 'wait', decision: { reasons: [{ code: 'lane.taken' }] } });
  });

  test('never replaces a release that was made after it', () => {
    const live = { deployment: 'd', release: 'storefront@1.2.0', releaseCreatedAt: after(60) };

    expect(nextAction(atProduction({ lane: { lane: 'storefront/production', port: 4501, live } }))).toMatchObject({
      do: 'wait',
      decision: { effect: 'deny', reasons: [{ code: 'release.outdated' }] },
    });
  });

  test('ends completed when every stage is passed', () => {
    const action = nextAction(runFacts({ stages: [passedStaging, stageFacts('production', { deployment: deployment('production') })] }));

    expect(action).toMatchObject({ do: 'finish', outcome: 'completed' });
  });

  test.each(['rolled-back', 'failed'] as const)('ends %s when its deployment did', (state) => {
    const action = nextAction(
      runFacts({ stages: [passedStaging, stageFacts('production', { deployment: deployment('production', { state }) })] }),
    );

    expect(action).toMatchObject({ do: 'finish', outcome: state });
  });

  test('ends failed when its build failed, with the build’s reason', () => {
    const reason = { code: 'build.timeout', sentence: 'longer than 120 s' };

    expect(nextAction(runFacts({ build: { state: 'failed', reason } }))).toEqual({ do: 'finish', outcome: 'failed', reason });
  });

  test('is cancelled when somebody asked for it and nothing is being deployed', () => {
    const run = { ...runFacts().run, cancelRequest: { by: 'rita', reason: 'superseded', at: start } };

    expect(nextAction(runFacts({ run }))).toMatchObject({ do: 'finish', outcome: 'cancelled' });
  });

  test('that has ended does nothing', () => {
    expect(nextAction(runFacts({ run: { ...runFacts().run, state: 'completed' } }))).toBeUndefined();
  });
});

describe('a completed release that is rolled back', () => {
  const run = { ...runFacts().run, state: 'rolling-back' as const, rollbackRequest: { by: 'olga', reason: 'wrong prices', at: start } };
  const restore = deployment('production', { kind: 'restore', runsRelease: 'storefront@1.0.0' });

  test('brings the version before back', () => {
    expect(nextAction(runFacts({ run }))).toEqual({ do: 'begin-restore', stage: 'production' });
  });

  test('ends rolled back when that version serves again', () => {
    expect(nextAction(runFacts({ run, restore }))).toMatchObject({ do: 'finish', outcome: 'rolled-back' });
  });

  test('ends failed, loudly, when it could not be brought back', () => {
    expect(nextAction(runFacts({ run, restore: { ...restore, state: 'failed' } }))).toMatchObject({ do: 'finish', outcome: 'failed' });
  });

  test('is not stopped by a freeze', () => {
    expect(nextAction(runFacts({ run, stages: [passedStaging, stageFacts('production', { freezes: [black] })] }))).toEqual({
      do: 'begin-restore',
      stage: 'production',
    });
  });
});
