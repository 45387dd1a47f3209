import type { Candidate, CandidateContent, Release } from '../../src/planning/index.ts';
import { candidateDigest, stageDigest } from '../../src/planning/index.ts';
import type { Deployment } from '../../src/pipelines/deployment.ts';
import type { Stage } from '../../src/pipelines/pipeline.ts';
import { Pipeline } from '../../src/pipelines/pipeline.ts';
import type { RunFacts } from '../../src/pipelines/release-run.ts';
import type { StageFacts } from '../../src/pipelines/stage-gates.ts';

/** Facts of a release of the storefront, to be told what is different. Times count from `start`. */
export const start = new Date('2026-11-23T10:00:00Z');

export function after(seconds: number): Date {
  return new Date(start.getTime() + seconds * 1000);
}

export const pipeline: Pipeline = Pipeline.parse({
  application: 'storefront',
  stages: [
    {
      name: 'staging',
      environment: 'staging',
      strategy: { kind: 'all-at-once' },
      healthCheck: { path: '/healthz', consecutive: 2 },
      soakSeconds: 3,
    },
    {
      name: 'production',
      environment: 'production',
      gates: [{ kind: 'approval', roles: { security: 1 } }],
      strategy: { kind: 'canary', steps: [{ weight: 5 }, { weight: 25 }, { weight: 100 }] },
      healthCheck: { path: '/healthz', consecutive: 2 },
      soakSeconds: 5,
    },
  ],
  rollback: { criteria: [{ name: 'errors', metric: 'error-rate', owner: 'operations', deadlineSeconds: 600 }] },
});

const release: Release = {
  id: 'storefront@1.1.0',
  application: 'storefront',
  version: '1.1.0',
  tag: 'v1.1.0',
  tagObject: '0123',
  commit: 'c0ffee',
  signer: 'dana',
  authors: [{ part: 'commit', email: 'dana@example.test', principal: 'dana' }],
  createdBy: 'push-hook',
  createdAt: start,
};

export const content: CandidateContent = {
  application: 'storefront',
  version: '1.1.0',
  commit: 'c0ffee',
  artifacts: { storefront: `sha256:${'1'.repeat(64)}` },
  configuration: { staging: {}, production: { BANNER: 'hello' } },
  migrations: [],
  plan: { staging: {}, production: {} },
  rollbackCriteria: [],
};

export const candidate: Candidate = { release: release.id, revision: 1, digest: candidateDigest(content), content, createdAt: start };

export function deployment(environment: 'staging' | 'production', rest: Partial<Deployment> = {}): Deployment {
  const stage = pipeline.stages.find((s) => s.environment === environment) as Stage;
  return {
    id: `storefront-1.1.0-${environment}-1`,
    release: release.id,
    application: 'storefront',
    environment,
    kind: 'release',
    runsRelease: release.id,
    plan: {
      stage,
      criteria: pipeline.rollback.criteria,
      port: 4501,
      version: '1.1.0',
      artifactDigest: `sha256:${'1'.repeat(64)}`,
      command: ['node', 'server.mjs'],
      configuration: {},
    },
    stageDigest: stageDigest(content, stage.name, environment),
    candidateDigest: candidate.digest,
    state: 'succeeded',
    step: 0,
    since: start,
    restarts: 0,
    startedAt: start,
    ...rest,
  };
}

export function stageFacts(environment: 'staging' | 'production', rest: Partial<StageFacts> = {}): StageFacts {
  const stage = pipeline.stages.find((s) => s.environment === environment) as Stage;
  return {
    stage,
    lane: { lane: `storefront/${environment}`, port: 4501 },
    deployment: undefined,
    approvalGate: undefined,
    approvals: [],
    approverEmails: {},
    freezes: [],
    ...rest,
  };
}

export function runFacts(rest: Partial<RunFacts> = {}): RunFacts {
  return {
    now: start,
    release,
    run: { release: release.id, state: 'active', pipeline: { name: 'storefront', version: 1 } },
    build: { state: 'succeeded' },
    candidate,
    proposed: content,
    stages: [stageFacts('staging'), stageFacts('production')],
    current: undefined,
    restore: undefined,
    ...rest,
  };
}
