import { z } from 'zod';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/database/database.ts';
import { readTogether } from '../platform/database/read-together.ts';
import { Fault } from '../platform/fault.ts';
import type { Route } from '../platform/http/index.ts';
import { decodeCursor, pageFrom, pageOf, pageQuery, read } from '../platform/http/index.ts';
import { listResources } from '../platform/resources/index.ts';
import { diffCandidates, listCandidates } from '../planning/index.ts';
import { listDeployments } from './deployment.store.ts';
import type { RoleHolder } from './plan.ts';
import { planTo } from './plan.ts';
import { listLanesEverywhere, listReleases } from './release-list.store.ts';
import {
  CandidateView,
  DecisionView,
  DeploymentView,
  ReasonView,
  ReleaseView,
  WhyView,
  viewOfCandidate,
  viewOfDeployment,
  viewOfReason,
  viewOfRelease,
  viewOfWhy,
} from './release-view.ts';
import type { LoadedRun } from './run-facts.store.ts';
import { loadRun } from './run-facts.store.ts';
import { standing, why } from './why.ts';

export interface ReleaseReadDeps {
  readonly db: Database;
  readonly clock: Clock;
}

const params = z.strictObject({ release: z.string().min(1).max(160) });

const ReleaseDetail = ReleaseView.extend({
  standing: ReasonView.describe('What it does or waits for right now'),
  candidate: z.object({ digest: z.string(), revision: z.number() }).optional(),
  deployments: z.array(DeploymentView),
});

const PlannedStageView = z.object({
  stage: z.string(),
  environment: z.string(),
  standing: z.enum(['passed', 'open', 'waiting', 'refused']),
  decision: DecisionView,
  gates: z.array(z.object({ gate: z.string(), decision: DecisionView })),
  asks: z.array(z.object({ role: z.string(), count: z.number(), people: z.array(z.string()), excluded: z.array(z.string()) })),
  steps: z.array(z.string()),
  nextOpening: z.iso.datetime(),
});

const LaneView = z.object({
  application: z.string(),
  environment: z.string(),
  release: z.string().optional(),
  version: z.string().optional(),
  since: z.iso.datetime().optional(),
  changing: z.string().optional().describe('The release being deployed there right now'),
});

export function releaseReadRoutes(deps: ReleaseReadDeps): readonly Route[] {
  return [listRoute(deps), detailRoute(deps), whyRoute(deps), planRoute(deps), candidatesRoute(deps), statusRoute(deps)];
}

/** Fault 404 when there is no such release. */
async function loadRunOrRefuse(db: Database, release: string, now: Date): Promise<LoadedRun> {
  const run = await loadRun(db, release, now);
  if (run) return run;
  throw new Fault({
    code: 'release.unknown',
    status: 404,
    message: `expected a release named ${release}, found none`,
    remedy: 'List them: tidegate get releases',
  });
}

const ListKey = z.tuple([z.iso.datetime(), z.string()]);

function listRoute({ db }: ReleaseReadDeps): Route {
  return read({
    path: '/api/v1/releases',
    operation: 'listReleases',
    access: 'release.read',
    summary: 'Releases, newest first',
    query: z.strictObject({ ...pageQuery, application: z.string().max(63).optional(), state: ReleaseView.shape.state.optional() }),
    result: pageOf(ReleaseView),
    handle: async ({ query }) => {
      const key = query.cursor === undefined ? undefined : decodeCursor(query.cursor, ListKey);
      const rows = await listReleases(db, {
        application: query.application,
        state: query.state,
        before: key && { createdAt: new Date(key[0]), id: key[1] },
        limit: query.limit + 1,
      });
      const page = pageFrom(rows, query.limit, (r) => [r.created_at.toISOString(), r.id]);
      const items = page.items.map((r) =>
        viewOfRelease(
          { ...r, tagObject: '', authors: [], createdBy: r.created_by, createdAt: r.created_at },
          { state: r.state, ...(r.reason ? { reason: r.reason } : {}) },
        ),
      );
      return { body: { ...page, items } };
    },
  });
}

function detailRoute({ db }: ReleaseReadDeps): Route {
  return read({
    path: '/api/v1/releases/:release',
    operation: 'readRelease',
    access: 'release.read',
    summary: 'One release: its state, candidate and deployments',
    params,
    result: ReleaseDetail,
    handle: async ({ params: { release }, at }) => {
      const { facts } = await loadRunOrRefuse(db, release, at);
      const deployments = await listDeployments(db, release);
      return {
        body: {
          ...viewOfRelease(facts.release, facts.run),
          standing: viewOfReason(standing(facts)),
          ...(facts.candidate ? { candidate: { digest: facts.candidate.digest, revision: facts.candidate.revision } } : {}),
          deployments: deployments.map(viewOfDeployment),
        },
      };
    },
  });
}

function whyRoute({ db }: ReleaseReadDeps): Route {
  return read({
    path: '/api/v1/releases/:release/why',
    operation: 'explainRelease',
    access: 'release.read',
    summary: 'Why it is not where it should be, and what would unblock it',
    params,
    query: z.strictObject({ to: z.string().max(63).optional() }),
    result: WhyView,
    handle: async ({ params: { release }, query, at }) => {
      const { facts } = await loadRunOrRefuse(db, release, at);
      refuseUnknownEnvironment(
        facts.stages.map((s) => s.stage.environment),
        query.to,
      );
      return { body: viewOfWhy(why(facts, query.to)) };
    },
  });
}

function planRoute({ db }: ReleaseReadDeps): Route {
  return read({
    path: '/api/v1/releases/:release/plan',
    operation: 'planRelease',
    access: 'release.read',
    summary: 'What would happen, who would be asked, when it could happen',
    params,
    query: z.strictObject({ to: z.string().min(1).max(63) }),
    result: z.object({ release: z.string(), to: z.string(), stages: z.array(PlannedStageView) }),
    handle: async ({ params: { release }, query: { to }, at }) => {
      const { facts } = await loadRunOrRefuse(db, release, at);
      refuseUnknownEnvironment(
        facts.stages.map((s) => s.stage.environment),
        to,
      );
      const stages = planTo(facts, to, await listRoleHolders(db));
      return {
        body: {
          release,
          to,
          stages: stages.map((s) => ({
            ...s,
            asks: s.asks.map((a) => ({ ...a, people: [...a.people], excluded: [...a.excluded] })),
            steps: [...s.steps],
            nextOpening: s.nextOpening.toISOString(),
            decision: viewOfDecision(s.decision),
            gates: s.gates.map((g) => ({ gate: g.gate, decision: viewOfDecision(g.decision) })),
          })),
        },
      };
    },
  });
}

function viewOfDecision(decision: {
  readonly effect: 'allow' | 'deny' | 'undetermined';
  readonly reasons: Parameters<typeof viewOfReason>[0][] | readonly Parameters<typeof viewOfReason>[0][];
  readonly until?: Date;
}): z.infer<typeof DecisionView> {
  return {
    effect: decision.effect,
    reasons: decision.reasons.map(viewOfReason),
    ...(decision.until ? { until: decision.until.toISOString() } : {}),
  };
}

function refuseUnknownEnvironment(known: readonly string[], asked: string | undefined): void {
  if (asked === undefined || known.includes(asked)) return;
  throw new Fault({
    code: 'environment.unknown',
    status: 404,
    message: `expected one of ${known.join(', ')}, got ${asked}`,
    remedy: 'Name an environment of the pipeline.',
  });
}

async function listRoleHolders(db: Database): Promise<Readonly<Record<string, readonly RoleHolder[]>>> {
  const principals = (await listResources(db, 'Principal')).map(({ name, spec }) => ({
    name,
    ...(spec as { readonly kind?: string; readonly emails?: readonly string[] }),
  }));
  // Only people are asked: a bot is refused when it tries to approve.
  const people = new Map(principals.filter((p) => p.kind === 'person').map((p) => [p.name, p.emails ?? []]));
  const roles = await listResources(db, 'Role');
  return Object.fromEntries(
    roles.map((role) => [
      role.name,
      (role.spec as { readonly members: readonly string[] }).members
        .filter((name) => people.has(name))
        .map((name) => ({ name, emails: people.get(name) ?? [] })),
    ]),
  );
}

function candidatesRoute({ db }: ReleaseReadDeps): Route {
  return read({
    path: '/api/v1/releases/:release/candidates',
    operation: 'listCandidates',
    access: 'release.read',
    summary: 'Every candidate the release had, with what changed between them',
    params,
    result: z.object({ items: z.array(CandidateView) }),
    handle: async ({ params: { release }, at }) => {
      await loadRunOrRefuse(db, release, at);
      const candidates = await listCandidates(db, release);
      return {
        body: {
          items: candidates.map((c, i) => {
            const before = candidates[i - 1];
            return viewOfCandidate(
              c,
              before
                ? diffCandidates(before.content, c.content).map((d) => ({
                    pointer: d.pointer,
                    before: d.before ?? null,
                    after: d.after ?? null,
                  }))
                : [],
            );
          }),
        },
      };
    },
  });
}

function statusRoute({ db }: ReleaseReadDeps): Route {
  return read({
    path: '/api/v1/status',
    operation: 'readStatus',
    access: 'release.read',
    summary: 'What serves where, and what is under way',
    result: z.object({ lanes: z.array(LaneView), underWay: z.array(ReleaseView) }),
    handle: async () => {
      const [lanes, active, rollingBack] = await readTogether(db, [
        () => listLanesEverywhere(db, 1000),
        () => listReleases(db, { state: 'active', limit: 100 }),
        () => listReleases(db, { state: 'rolling-back', limit: 100 }),
      ]);
      const underWay = [...active, ...rollingBack];
      return {
        body: {
          lanes: lanes.map((l) => ({
            application: l.application,
            environment: l.environment,
            ...(l.release ? { release: l.release } : {}),
            ...(l.version ? { version: l.version } : {}),
            ...(l.since ? { since: l.since.toISOString() } : {}),
            ...(l.holder ? { changing: l.holder } : {}),
          })),
          underWay: underWay.map((r) =>
            viewOfRelease(
              { ...r, tagObject: '', authors: [], createdBy: r.created_by, createdAt: r.created_at },
              { state: r.state, ...(r.reason ? { reason: r.reason } : {}) },
            ),
          ),
        },
      };
    },
  });
}
