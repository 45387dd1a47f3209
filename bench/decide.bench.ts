import { isDeepStrictEqual } from 'node:util';
import type { NamedFreeze } from '../src/governance/index.ts';
import { nextAction, type RunFacts } from '../src/pipelines/release-run.ts';
import { stageGates } from '../src/pipelines/stage-gates.ts';
import type { CandidateContent } from '../src/planning/index.ts';
import { candidateDigest, stageDigest } from '../src/planning/index.ts';
import { every } from '../src/platform/decision.ts';
import { after, deployment, pipeline, runFacts, stageFacts, start } from '../test/support/release-facts.ts';

/** Of processor time. */
const seconds = 2;

/**
 * `decide.per_s`: whole decisions a second of processor time on one core, so that other programs on the machine do not count. A decision is what the reconciler and `tidegate why` make of loaded
 * facts: every gate in front of production (environment, an approval by three roles, five freezes, order) as one decision,
 * and the next action, which compares the digests of the candidate that was approved and of what it would be now.
 * Every decision gets facts of its own, as freshly loaded ones are: nothing that was worked out for one serves the next.
 */
export async function decideBench(report: (name: string, value: number) => void): Promise<void> {
  const facts = releaseBeforeProduction();
  if (!isDeepStrictEqual(decide(facts), { effect: 'allow', action: { do: 'begin-deployment', stage: 'production' } }))
    throw new Error(`expected production to be open, got ${JSON.stringify(decide(facts))}`);
  const batch = (): number => {
    const loaded = Array.from({ length: 500 }, () => structuredClone(facts));
    const before = process.threadCpuUsage();
    for (const each of loaded) decide(each);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1e6;
  };
  batch();
  let [decisions, spent] = [0, 0];
  while (spent < seconds) {
    spent += batch();
    decisions += 500;
  }
  report('decide.per_s', decisions / spent);
  await Promise.resolve();
}

function decide(facts: RunFacts) {
  const production = facts.stages.at(-1);
  if (!production || !facts.candidate) throw new Error('expected a stage and a candidate');
  const { effect } = every(stageGates(facts.release, production, facts.candidate, facts.now).map((gate) => gate.decision));
  return { effect, action: nextAction(facts) };
}

function releaseBeforeProduction(): RunFacts {
  const content = contentOf();
  const digest = candidateDigest(content);
  const base = runFacts();
  const roles = { security: 1, operations: 1, business: 1 };
  const approvals = Object.keys(roles).map((role, i) => ({
    principal: `approver-${i}`,
    roles: [role, 'developer'],
    decision: 'approve' as const,
    candidateDigest: digest,
    at: start,
  }));
  const production = stageFacts('production');
  return {
    ...base,
    now: after(60),
    candidate: { release: base.release.id, revision: 1, digest, content, createdAt: start },
    proposed: contentOf(),
    stages: [
      stageFacts('staging', {
        deployment: deployment('staging', { candidateDigest: digest, stageDigest: stageDigest(content, 'staging', 'staging') }),
      }),
      {
        ...production,
        stage: { ...production.stage, gates: [{ kind: 'approval', roles, expiresHours: 72 }] },
        approvalGate: 'open',
        approvals,
        approverEmails: Object.fromEntries(approvals.map(({ principal }) => [principal, [`${principal}@example.test`]])),
        freezes: Array.from({ length: 5 }, (_, day) => freezeOn(day)),
      },
    ],
  };
}

/** As large as that of the sample application: its plan and its criterion whole. */
function contentOf(): CandidateContent {
  const configuration = { CURRENCY: 'EUR', BANNER: 'Free delivery until the next spring tide.', WAREHOUSE_URL: 'http://127.0.0.1:4600' };
  return {
    application: 'storefront',
    version: '1.1.0',
    commit: 'c0ffee'.padEnd(40, '0'),
    artifacts: { storefront: `sha256:${'1'.repeat(64)}` },
    configuration: { staging: configuration, production: configuration },
    migrations: [],
    plan: Object.fromEntries(pipeline.stages.map((stage) => [stage.name, { ...stage, command: ['node', 'server.mjs'] }])),
    rollbackCriteria: pipeline.rollback.criteria,
  };
}

/** In scope, at another time. */
function freezeOn(day: number): NamedFreeze {
  const from = after(86_400 * (day + 1));
  const to = new Date(from.getTime() + 3_600_000);
  return {
    name: `stocktaking-${day}`,
    from: from.toISOString(),
    to: to.toISOString(),
    environments: ['production'],
    applications: [],
    reason: 'stocktaking',
  };
}
