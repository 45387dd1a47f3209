import type { Reader } from '../platform/database/database.ts';
import { Fault } from '../platform/fault.ts';
import { findResource, findResourceVersion, listResources } from '../platform/resources/index.ts';
import { findBuild } from '../artifacts/index.ts';
import { Environment, effectiveConfiguration, laneOf } from '../environments/index.ts';
import type { NamedFreeze } from '../governance/index.ts';
import { Freeze, listApprovalGates, listApprovals } from '../governance/index.ts';
import type { CandidateContent, Release } from '../planning/index.ts';
import { Application, findCandidate, findRelease } from '../planning/index.ts';
import { findAnalysis, listRecentProbes } from '../validation/index.ts';
import type { Deployment } from './deployment.ts';
import { isEnded } from './deployment.ts';
import { findDeployment, listDeployments } from './deployment.store.ts';
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
 * Reads everything `nextAction` looks at. A dozen reads by primary key or index, none of which grows with the number of
 * releases. Undefined when there is no such run.
 */
export async function loadRun(reader: Reader, releaseId: string, now: Date): Promise<LoadedRun | undefined> {
  const [release, run] = [await findRelease(reader, releaseId), await findRun(reader, releaseId)];
  if (!release || !run) return undefined;
  const pipeline = await loadPipeline(reader, run);
  const application = await loadApplication(reader, release.application);
  const environments = await loadEnvironments(reader, pipeline);
  const build = await findBuild(reader, releaseId);
  const deployments = await listDeployments(reader, releaseId);
  const current = deployments.find((d) => !isEnded(d.state));
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
      candidate: await findCandidate(reader, releaseId),
      proposed,
      stages: await loadStages(reader, { release, pipeline, environments, deployments }),
      current: current && (await loadDeploymentFacts(reader, current)),
      restore: deployments.findLast((d) => d.kind === 'restore'),
    },
    pipeline,
    application,
    environments,
    previous: current?.previous ? await findDeployment(reader, current.previous) : undefined,
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

async function loadApplication(reader: Reader, name: string): Promise<Application> {
  const resource = await findResource(reader, 'Application', name);
  if (!resource)
    throw new Fault({
      code: 'application.unknown',
      status: 404,
      message: `expected an Application named ${name}, found none`,
      remedy: 'Apply it (`tidegate apply`).',
    });
  return Application.parse(resource.spec);
}

async function loadEnvironments(reader: Reader, pipeline: Pipeline): Promise<Readonly<Record<string, Environment>>> {
  const found: Record<string, Environment> = {};
  for (const stage of pipeline.stages) {
    const resource = await findResource(reader, 'Environment', stage.environment);
    if (resource) found[stage.environment] = Environment.parse(resource.spec);
  }
  return found;
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
}

async function loadStages(reader: Reader, parts: StageParts): Promise<readonly StageFacts[]> {
  const { release, pipeline, environments, deployments } = parts;
  const gates = await listApprovalGates(reader, release.id);
  const approvals = await listApprovals(reader, release.id);
  const lanes = await listLanes(reader, release.application);
  const freezes = await listFreezes(reader);
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

export async function listFreezes(reader: Reader): Promise<readonly NamedFreeze[]> {
  const resources = await listResources(reader, 'Freeze');
  return resources.map((r) => ({ ...Freeze.parse(r.spec), name: r.name }));
}

async function loadDeploymentFacts(reader: Reader, deployment: Deployment): Promise<DeploymentFacts> {
  const analysis = await findAnalysis(reader, deployment.id);
  return {
    deployment,
    probes: await listRecentProbes(reader, deployment.id),
    analysis: analysis && { verdict: analysis.verdict, step: analysis.step, nextAt: analysis.nextAt, at: analysis.updatedAt },
  };
}
