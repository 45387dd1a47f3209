import { type DeploymentEvidence, type Evidence, type Finding, finding } from '../evidence.ts';

type Facts = Pick<Evidence, 'releases' | 'deployments' | 'approvalsBefore' | 'samples' | 'final'>;

/** Rows, host, router and the operating system tell one story: each release entered each environment once, and only what serves runs. */
export function deploymentsOnce(facts: Facts): Finding {
  const { deployments, final, samples } = facts;
  const most = Math.max(0, ...samples.flatMap(({ instances }) => (instances ? [...runningByLane(facts, instances).values()] : [])));
  return finding(
    'no lost or doubled deployment',
    [
      ...facts.releases.flatMap((release) => enteredNotOnce(facts, release)),
      ...deployments.filter(({ state }) => !ended.has(state)).map(({ id, state }) => `${id} is still ${state}`),
      ...final.lanes.flatMap((lane) => laneFaults(facts, lane)),
      ...leftOvers(facts),
      ...(most > 2 ? [`${most} instances ran in one lane at once`] : []),
    ],
    {
      deployments: deployments.length,
      restores: deployments.filter(({ kind }) => kind === 'restore').length,
      lanes: final.lanes.length,
      runningAtTheEnd: running(final.instances).length,
      mostInstancesInALane: most,
    },
  );
}

const ended: ReadonlySet<string> = new Set(['succeeded', 'rolled-back', 'failed']);

function enteredNotOnce({ deployments, approvalsBefore }: Facts, release: Facts['releases'][number]): readonly string[] {
  const { id, state, quality } = release;
  if (state !== 'completed' && state !== 'rolled-back') return [];
  const of = (kind: DeploymentEvidence['kind'], environment?: string): readonly DeploymentEvidence[] =>
    deployments.filter((d) => d.release === id && d.kind === kind && (environment === undefined || d.environment === environment));
  const restores = state === 'rolled-back' && quality === 'regretted' && of('release').every((d) => d.state === 'succeeded') ? 1 : 0;
  return [
    ...Object.keys(approvalsBefore).flatMap((environment) => {
      const { length } = of('release', environment);
      return length === 1 ? [] : [`${id}: expected one deployment to ${environment}, got ${length}`];
    }),
    ...(of('restore').length === restores ? [] : [`${id}: expected ${restores} restore(s), got ${of('restore').length}`]),
  ];
}

function laneFaults({ deployments, final }: Facts, { lane, holder, live }: Facts['final']['lanes'][number]): readonly string[] {
  const deployment = deployments.find(({ id }) => id === live);
  const routes = final.routes.filter((route) => route.lane === lane);
  const arms = routes.flatMap((route) => route.arms);
  const told = arms.map((arm) => `${arm.deployment} ${arm.weight} %`).join(', ');
  return [
    ...(holder === null ? [] : [`${lane} is still held by ${holder}`]),
    ...(deployment?.state === 'succeeded' ? [] : [`${lane}: expected a live deployment that succeeded, got ${live} ${deployment?.state}`]),
    ...(routes.length === 1 && arms.length === 1 && arms[0]?.deployment === live && arms[0]?.weight === 100
      ? []
      : [`${lane}: expected all users on ${live}, got ${told || 'no route'}`]),
  ];
}

function leftOvers({ final }: Facts): readonly string[] {
  const live = final.lanes.flatMap((lane) => (lane.live === null ? [] : [lane.live])).toSorted();
  const up = running(final.instances)
    .map(({ name }) => name)
    .toSorted();
  const routed = final.routes.filter(({ lane }) => !final.lanes.some((known) => known.lane === lane));
  const processes = [...final.processes].toSorted();
  return [
    ...(String(up) === String(live) ? [] : [`expected the host to run ${live.join(', ')}, got ${up.join(', ')}`]),
    ...(String(processes) === String(live) ? [] : [`expected one process group each of ${live.join(', ')}, got ${processes.join(', ')}`]),
    ...routed.map(({ lane }) => `the router serves ${lane}, which no row knows`),
  ];
}

function running(instances: Facts['final']['instances']): Facts['final']['instances'] {
  return instances.filter(({ state }) => state !== 'stopped');
}

function runningByLane({ deployments }: Facts, instances: Facts['final']['instances']): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of running(instances)) {
    const deployment = deployments.find(({ id }) => id === name);
    const lane = deployment ? `${deployment.application}/${deployment.environment}` : name;
    counts.set(lane, (counts.get(lane) ?? 0) + 1);
  }
  return counts;
}
