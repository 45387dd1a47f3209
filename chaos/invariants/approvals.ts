import { type DeploymentEvidence, type Evidence, type Finding, finding, type LedgerEntry } from '../evidence.ts';

type Facts = Pick<Evidence, 'releases' | 'deployments' | 'approvalsBefore' | 'entries' | 'samples' | 'final'>;

/**
 * What was seen to run or to get users was let in: the ledger says that its deployment began, and before that, that enough
 * people of each role, none of them an author, approved exactly this candidate.
 */
export function approvedBeforeEntry(facts: Facts): Finding {
  const seen = new Map<string, ReadonlySet<string>>();
  const note = (name: string, artifact?: string): void => {
    seen.set(name, new Set([...(seen.get(name) ?? []), ...(artifact === undefined ? [] : [artifact])]));
  };
  for (const { instances = [], routes = [] } of [...facts.samples, facts.final]) {
    for (const { name, artifact } of instances) note(name, artifact);
    for (const { arms } of routes) for (const { deployment } of arms) note(deployment);
  }
  for (const { id } of facts.deployments) note(id);
  const gated = [...seen.keys()].filter((name) => needsApproval(facts, name)).length;
  const violations = [...seen].flatMap(([name, artifacts]) => faultsOf(facts, name, artifacts));
  return finding('no artifact reached an environment without its approvals', violations, {
    instancesAndDeploymentsSeen: seen.size,
    ofThemBehindApprovals: gated,
    approvalsInLedger: facts.entries.filter(({ action }) => action === 'approval.given').length,
  });
}

function needsApproval(facts: Facts, name: string): boolean {
  const deployment = facts.deployments.find(({ id }) => id === name);
  return deployment !== undefined && Object.keys(facts.approvalsBefore[deployment.environment] ?? {}).length > 0;
}

function faultsOf(facts: Facts, name: string, artifacts: ReadonlySet<string>): readonly string[] {
  const deployment = facts.deployments.find(({ id }) => id === name);
  if (!deployment) return [`${name} ran or had a route, and no deployment is known by this name`];
  const started = facts.entries.find(({ action, subject }) => action === 'deployment.started' && subject === `deployment/${name}`);
  if (!started) return [`${name} ran or had a route, and the ledger does not say that it began`];
  const foreign = [...artifacts, deployment.artifact].filter((artifact) => artifact !== deployment.builtArtifact);
  return [
    ...foreign.map((artifact) => `${name} runs ${artifact}, its candidate has ${deployment.builtArtifact}`),
    ...(started.after?.['candidate'] === deployment.candidate ? [] : [`${name} began with another candidate than its row names`]),
    ...(deployment.kind === 'release' ? missingRoles(facts, deployment, started) : neverStoodThere(facts, deployment, started)),
  ];
}

function missingRoles(facts: Facts, deployment: DeploymentEvidence, started: LedgerEntry): readonly string[] {
  const { release, stage, candidate } = deployment;
  const authors = facts.releases.find(({ id }) => id === release)?.authors ?? [];
  const approvals = facts.entries.filter(
    ({ index, action, subject, actor, after }) =>
      index < started.index &&
      action === 'approval.given' &&
      subject === `release/${release}` &&
      after?.['stage'] === stage &&
      after['candidate'] === candidate &&
      !authors.includes(actor),
  );
  return Object.entries(facts.approvalsBefore[deployment.environment] ?? {}).flatMap(([role, wanted]) => {
    const people = new Set(
      approvals.filter(({ after }) => ((after?.['roles'] ?? []) as readonly string[]).includes(role)).map(({ actor }) => actor),
    );
    return people.size >= wanted ? [] : [`${deployment.id} began with ${people.size} of ${wanted} approvals of ${role}`];
  });
}

/** Going back asks nobody, but only to what has been let in before. */
function neverStoodThere(facts: Facts, restore: DeploymentEvidence, started: LedgerEntry): readonly string[] {
  const stood = facts.deployments.some(
    ({ id, environment, application, candidate, artifact }) =>
      environment === restore.environment &&
      application === restore.application &&
      candidate === restore.candidate &&
      artifact === restore.artifact &&
      facts.entries.some(
        ({ index, action, subject }) => index < started.index && action === 'deployment.settled' && subject === `deployment/${id}`,
      ),
  );
  return stood ? [] : [`${restore.id} brings back what never served ${restore.environment}`];
}
