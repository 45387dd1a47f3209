import type { Reader } from '../platform/database/database.ts';
import { readTogether } from '../platform/database/read-together.ts';
import { Fault } from '../platform/fault.ts';
import { findResourceVersion, findResources } from '../platform/resources/index.ts';
import { findBuild } from '../artifacts/index.ts';
import { Environment, effectiveConfiguration, laneOf } from '../environments/index.ts';
import type { ApprovalGate, NamedFreeze, StoredApproval } from '../governance/index.ts';
import { listApprovalGates, listApprovals, listFreezesAhead } from '../governance/index.ts';
import type { CandidateContent, Release } from '../planning/index.ts';
import { Application, findCandidate, findRelease } from '../planning/index.ts';
import { findAnalysis, listRecentProbes } from '../validation/index.ts';
import type { Deployment } from './deployment.ts';
import { isEnded } from './deployment.ts';
import { findDeployment, listDeployments } from './deployment.store.ts';
import type { Lane } from './lane.store.ts';
import { listLanes } from './lane.store.ts';
import type { DeploymentFacts } from './rollout.ts';
import { Pipeline } from './pipeline.ts';
import type { ReleaseRun, RunFacts } from './release-run.ts';
import { findRun } from './release-run.store.ts';
import type { StageFacts } from './stage-gates.ts';

/** What the pure core does not need but the actions do. */
export interface LoadedRun {
  readonly facts: RunFacts;
  readonly pipeline: Pipeline;
  readonly application: Application;
  readonly environments: Readonly<Record<string, Environment>>;
  /** What was live when the current deployment began. */
  readonly previous: Deployment | undefined;
}

/**
 * Reads everything `nextAction` looks at: in three turns, by primary key or index, none of which grows with the number of
 * releases. Undefined when there is no such run.
 */
export async function loadRun(reader: Reader, releaseId: string, now: Date): Promise<LoadedRun | undefined> {
  const [release, run, build, candidate, deployments, gates, approvals] = await readTogether(reader, [
    () => findRelease(reader, releaseId),
    () => findRun(reader, releaseId),
    () => findBuild(reader, releaseId),
    () => findCandidate(reader, releaseId),
    () => listDeployments(reader, releaseId),
    () => listApprovalGates(reader, releaseId),
    () => listApprovals(reader, releaseId),
  ]);
  if (!release || !run) return undefined;
  const current = deployments.find((d) => !isEnded(d.state));
  const [pipeline, lanes, freezes, currentFacts, previous] = await readTogether(reader, [
    () => loadPipeline(reader, run),
    () => listLanes(reader, release.application),
    () => listFreezesAhead(reader, now),
    async () => current && loadDeploymentFacts(reader, current),
    async () => (current?.previous ? findDeployment(reader, current.previous) : undefined),
  ]);
  const { application, environments } = await loadConfiguration(reader, release.application, pipeline);
  const proposed =
    build?.state === 'succeeded' && build.artifactDigest
      ? candidateContent({ release, application, environments, pipeline, artifact: build.artifactDigest })
      : undefined;
  return {
    facts: {
      now,
      release,
      run,
      build: build && { state: build.state, ...(build.reason ? { reason: build.reason } : {}) },
      candidate,
      proposed,
      stages: stagesOf({ release, pipeline, environments, deployments, gates, approvals, lanes, freezes }),
      current: currentFacts,
      restore: deployments.findLast((d) => d.kind === 'restore'),
    },
    pipeline,
    application,
    environments,
    previous,
  };
}

async function loadPipeline(reader: Reader, run: ReleaseRun): Promise<Pipeline> {
  const resource = await findResourceVersion(reader, 'Pipeline', run.pipeline.name, run.pipeline.version);
  if (!resource)
    throw new Fault({
      code: 'pipeline.missing',
      status: 409,
      message: `expected version ${run.pipeline.version} of the pipeline ${run.pipeline.name}, which this run follows; it is not stored`,
    });
  return Pipeline.parse(resource.spec);
}

async function loadConfiguration(
  reader: Reader,
  name: string,
  pipeline: Pipeline,
): Promise<Pick<LoadedRun, 'application' | 'environments'>> {
  const resources = await findResources(reader, [
    { kind: 'Application', name },
    ...pipeline.stages.map(({ environment }) => ({ kind: 'Environment', name: environment })),
  ]);
  const application = resources.find((resource) => resource.kind === 'Application');
  if (!application)
    throw new Fault({
      code: 'application.unknown',
      status: 404,
      message: `expected an Application named ${name}, found none`,
      remedy: 'Apply it (`tidegate apply`).',
    });
  const environments = resources.filter((resource) => resource.kind === 'Environment');
  return {
    application: Application.parse(application.spec),
    environments: Object.fromEntries(environments.map((environment) => [environment.name, Environment.parse(environment.spec)])),
  };
}

interface CandidateParts {
  readonly release: Release;
  readonly application: Application;
  readonly environments: Readonly<Record<string, Environment>>;
  readonly pipeline: Pipeline;
  readonly artifact: string;
}

function candidateContent(parts: CandidateParts): CandidateContent {
  const { release, application, environments, pipeline } = parts;
  return {
    application: release.application,
    version: release.version,
    commit: release.commit,
    artifacts: { [release.application]: parts.artifact },
    configuration: Object.fromEntries(
      Object.entries(environments).map(([name, environment]) => [
        name,
        effectiveConfiguration(application.configuration, environment, release.application),
      ]),
    ),
    migrations: [],
    plan: Object.fromEntries(pipeline.stages.map((stage) => [stage.name, { ...stage, command: application.run.command }])),
    rollbackCriteria: pipeline.rollback.criteria,
  };
}

interface StageParts {
  readonly release: Release;
  readonly pipeline: Pipeline;
  readonly environments: Readonly<Record<string, Environment>>;
  readonly deployments: readonly Deployment[];
  readonly gates: readonly ApprovalGate[];
  readonly approvals: readonly StoredApproval[];
  readonly lanes: readonly Lane[];
  readonly freezes: readonly NamedFreeze[];
}

function stagesOf({ release, pipeline, environments, deployments, gates, approvals, lanes, freezes }: StageParts): readonly StageFacts[] {
  return pipeline.stages.map((stage) => {
    const lane = lanes.find((l) => l.environment === stage.environment);
    const port = environments[stage.environment]?.applications[release.application]?.port;
    const mine = approvals.filter((a) => a.stage === stage.name);
    return {
      stage,
      lane: {
        lane: laneOf(release.application, stage.environment),
        port,
        ...(lane?.holder ? { holder: lane.holder } : {}),
        ...(lane?.live ? { live: lane.live } : {}),
      },
      deployment: deployments.findLast((d) => d.environment === stage.environment && d.kind === 'release'),
      approvalGate: gates.find((g) => g.stage === stage.name)?.state,
      approvals: mine,
      approverEmails: Object.fromEntries(mine.map((a) => [a.principal, a.emails])),
      freezes,
    };
  });
}

async function loadDeploymentFacts(reader: Reader, deployment: Deployment): Promise<DeploymentFacts> {
  const [analysis, probes] = await readTogether(reader, [
    () => findAnalysis(reader, deployment.id),
    () => listRecentProbes(reader, deployment.id),
  ]);
  return {
    deployment,
    probes,
    analysis: analysis && { verdict: analysis.verdict, step: analysis.step, nextAt: analysis.nextAt, at: analysis.updatedAt },
  };
}
