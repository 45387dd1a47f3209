import { z } from 'zod';
import type { Database, Transaction } from '../platform/database/database.ts';
import { Fault } from '../platform/fault.ts';
import type { Call, Route } from '../platform/http/index.ts';
import { write } from '../platform/http/index.ts';
import { recordChange } from '../platform/ledger/record.store.ts';
import type { Queue } from '../platform/queue/index.ts';
import { findResource, listResources } from '../platform/resources/index.ts';
import type { CommitAuthor, SourceRepository, TagInfo } from '../artifacts/index.ts';
import { Application, findRelease, findReleaseByTag, releaseId, saveRelease, versionOfTag } from '../planning/index.ts';
import type { KnownPerson } from './create-release.ts';
import { authorsOf, newRelease, refuseKnownTag } from './create-release.ts';
import { listLanes } from './lane.store.ts';
import { Pipeline } from './pipeline.ts';
import { saveNewRun } from './release-run.store.ts';
import { ReleaseView, viewOfRelease } from './release-view.ts';

export interface CreateReleaseDeps {
  readonly db: Database;
  readonly queue: Queue;
  readonly source: SourceRepository;
}

const Body = z.strictObject({
  application: z.string().min(1).max(63),
  tag: z.string().min(1).max(255),
});
type Body = z.infer<typeof Body>;

interface Verified {
  readonly version: string;
  readonly tag: TagInfo;
  readonly commits: readonly CommitAuthor[];
}

/** A pushed tag becomes a release: the tag is verified first, by reading git; then one transaction writes it down and wakes its run. */
export function createReleaseRoute(deps: CreateReleaseDeps): Route {
  return write({
    method: 'POST',
    path: '/api/v1/releases',
    operation: 'createRelease',
    access: 'release.create',
    summary: 'Make a release from a signed, annotated tag',
    body: Body,
    result: ReleaseView,
    status: 201,
    prepare: (call) => verify(deps, call),
    handle: async (call, tx, verified) => {
      const view = await create(tx, call, verified);
      await deps.queue.wake(tx, [view.id]);
      return { body: view, location: `/api/v1/releases/${view.id}` };
    },
  });
}

async function verify(deps: CreateReleaseDeps, call: Call<unknown, unknown, Body>): Promise<Verified> {
  const { application: name, tag } = call.body;
  const resource = await findResource(deps.db, 'Application', name);
  if (!resource)
    throw new Fault({
      code: 'application.unknown',
      status: 404,
      message: `expected an Application named ${name}, found none`,
      remedy: 'Apply it first: tidegate apply -f DIR',
    });
  const application = Application.parse(resource.spec);
  const version = versionOfTag(application, tag);
  if (version === undefined)
    throw new Fault({
      code: 'tag.pattern',
      status: 422,
      message: `expected a tag like ${application.tagPattern}, got ${tag}`,
      remedy: 'Tag the version in this form, or change tagPattern of the Application.',
    });
  const { repository, allowedSigners, protectedBranches } = application;
  const info = await deps.source.verifyTag({ repository, tag, allowedSigners, protectedBranches });
  const since = await servedCommit(deps.db, name);
  const commits = await deps.source.listAuthors({ repository, commit: info.commit, ...(since && since !== info.commit ? { since } : {}) });
  return { version, tag: info, commits };
}

/**
 * The commit users are served in the last stage: everything since then is what this release brings them, and everybody who wrote
 * a part of it is its author. The newest release would be the wrong base: one that failed on its way changed nothing for anybody,
 * and its authors would be forgotten. Undefined while nothing serves there: then every author counts.
 */
async function servedCommit(db: Database, application: string): Promise<string | undefined> {
  const pipeline = await findResource(db, 'Pipeline', application);
  const last = pipeline && Pipeline.parse(pipeline.spec).stages.at(-1)?.environment;
  const live = (await listLanes(db, application)).find((lane) => lane.environment === last)?.live;
  return live && (await findRelease(db, live.release))?.commit;
}

async function create(tx: Transaction, call: Call<unknown, unknown, Body>, verified: Verified): Promise<ReleaseView> {
  const { application } = call.body;
  const known =
    (await findReleaseByTag(tx, application, verified.tag.name)) ?? (await findRelease(tx, releaseId(application, verified.version)));
  if (known) refuseKnownTag(known, verified.tag);
  const pipeline = await findResource(tx, 'Pipeline', application);
  if (!pipeline)
    throw new Fault({
      code: 'pipeline.unknown',
      status: 409,
      message: `expected a Pipeline for ${application}, found none`,
      remedy: 'Apply one first: tidegate apply -f DIR',
    });
  const people = await listPeople(tx);
  const { principal } = call;
  const onBehalfOf = people.find((p) => p.name === principal.name)?.actsFor;
  const authors = authorsOf({
    commits: verified.commits,
    signer: verified.tag.signer,
    requester: principal,
    people,
    ...(onBehalfOf ? { onBehalfOf } : {}),
  });
  const release = newRelease({
    application,
    version: verified.version,
    tag: verified.tag,
    authors,
    createdBy: principal.name,
    at: call.at,
  });
  await saveRelease(tx, release);
  const { id, createdAt } = release;
  await saveNewRun(tx, { release: id, application, createdAt, pipeline: { name: pipeline.name, version: pipeline.version } });
  await recordChange(tx, {
    actor: principal.name,
    ...(onBehalfOf ? { onBehalfOf } : {}),
    action: 'release.created',
    subject: `release/${release.id}`,
    related: [`application/${application}`],
    after: {
      tag: release.tag,
      tagObject: release.tagObject,
      commit: release.commit,
      signer: release.signer,
      pipeline: pipeline.version,
      authors: release.authors.map((a) => ({ part: a.part, who: a.principal ?? a.email ?? 'unknown' })),
    },
    at: call.at,
  });
  return viewOfRelease(release, { state: 'active' });
}

interface Person extends KnownPerson {
  readonly actsFor?: string;
}

async function listPeople(tx: Transaction): Promise<readonly Person[]> {
  const resources = await listResources(tx, 'Principal');
  return resources.map((r) => {
    const spec = r.spec as { readonly emails?: readonly string[]; readonly actsFor?: string };
    return { name: r.name, emails: spec.emails ?? [], ...(spec.actsFor ? { actsFor: spec.actsFor } : {}) };
  });
}
