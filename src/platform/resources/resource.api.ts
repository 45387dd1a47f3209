import { stringify } from 'yaml';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { transact } from '../database/retry.ts';
import { Fault } from '../fault.ts';
import { decodeCursor, pageFrom, pageOf, pageQuery, read, write } from '../http/index.ts';
import type { Route } from '../http/index.ts';
import { suggestion } from '../schema-fault.ts';
import { applyFiles, deleteResource, planFiles } from './apply.store.ts';
import { anyDocumentSchema, documentSchema } from './kinds.ts';
import { maximumText } from './parse.ts';
import type { Plan } from './plan.ts';
import { apiVersion } from './resource.ts';
import type { Kinds, StoredResource } from './resource.ts';
import {
  findResourceVersion,
  listAllResources,
  listResourcePage,
  listResourceVersions,
  loadResource,
  unknownResource,
} from './resource.store.ts';

const Files = z.strictObject({
  files: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(1_024).describe('As shown in faults; never opened'),
        text: z.string().max(maximumText),
      }),
    )
    .min(1)
    .max(1_000),
});

/** A plain YAML body is one file. */
const FilesOrYaml = z.preprocess((body) => (typeof body === 'string' ? { files: [{ name: 'body', text: body }] } : body), Files);

const PlanOfApply = z
  .object({
    digest: z.string().describe('Send it as If-Match with the apply, to do exactly this or nothing'),
    changes: z.array(
      z.object({
        kind: z.string(),
        name: z.string(),
        action: z.enum(['create', 'change', 'unchanged']),
        version: z.number().int().optional().describe('In force now'),
        differences: z.array(z.object({ pointer: z.string(), before: z.unknown().optional(), after: z.unknown().optional() })),
      }),
    ),
  })
  .meta({ id: 'Plan' });

const ShownResource = z
  .object({
    apiVersion: z.literal(apiVersion),
    kind: z.string(),
    metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }),
    spec: z.unknown(),
    version: z.number().int(),
    digest: z.string(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    updatedBy: z.string(),
  })
  .meta({ id: 'Resource' });

const OneResource = z.object({ kind: z.string().max(63), name: z.string().max(63) });

export interface ResourceDeps {
  readonly db: Database;
  readonly kinds: Kinds;
}

/** Routes of configuration as code. */
export function resourceRoutes(deps: ResourceDeps): readonly Route[] {
  return [
    planRoute(deps),
    applyRoute(deps),
    listRoute(deps),
    exportRoute(deps),
    oneRoute(deps),
    versionsRoute(deps),
    deleteRoute(deps),
    schemaRoute(deps),
    schemasRoute(deps),
  ];
}

function planRoute({ db, kinds }: ResourceDeps): Route {
  return read({
    method: 'POST',
    path: '/api/v1/resources/plan',
    operation: 'planResources',
    access: 'resource.read',
    summary: 'What applying these files would change; changes nothing',
    body: FilesOrYaml,
    textBodies: ['application/yaml'],
    result: PlanOfApply,
    handle: async ({ body }) => {
      const { plan } = await transact(db, (tx) => planFiles(tx, body.files, kinds));
      return { body: mutable(plan), version: plan.digest };
    },
  });
}

function applyRoute({ kinds }: ResourceDeps): Route {
  return write({
    method: 'POST',
    path: '/api/v1/resources',
    operation: 'applyResources',
    access: 'resource.apply',
    summary: 'Applies these files: all of it or nothing',
    description: 'With If-Match: DIGEST of a plan, it is done only while that is still the plan (412 otherwise).',
    body: FilesOrYaml,
    textBodies: ['application/yaml'],
    result: PlanOfApply,
    ifMatch: 'optional',
    handle: async ({ body, principal, at, ifMatch }, tx) => ({
      body: mutable(await applyFiles(tx, { files: body.files, principal, at, ifMatch }, kinds)),
    }),
  });
}

function listRoute({ db, kinds }: ResourceDeps): Route {
  return read({
    path: '/api/v1/resources',
    operation: 'listResources',
    access: 'resource.read',
    summary: 'Resources in force, by kind and name',
    query: z.strictObject({ ...pageQuery, kind: z.string().max(63).optional() }),
    result: pageOf(ShownResource),
    handle: async ({ query }) => {
      if (query.kind !== undefined) requireKind(kinds, query.kind);
      const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, z.tuple([z.string().max(63), z.string().max(63)]));
      const rows = await listResourcePage(db, {
        limit: query.limit + 1,
        ...(query.kind !== undefined && { kind: query.kind }),
        ...(after && { after }),
      });
      const page = pageFrom(rows, query.limit, ({ kind, name }) => [kind, name]);
      return { body: { ...page, items: page.items.map(shown) } };
    },
  });
}

function exportRoute({ db }: ResourceDeps): Route {
  return read({
    path: '/api/v1/resources/export',
    operation: 'exportResources',
    access: 'resource.read',
    summary: 'Every resource in force as YAML that can be applied again',
    result: z.string(),
    answers: 'application/yaml',
    handle: async (_call) => {
      const documents = (await listAllResources(db)).map(({ kind, name, labels, spec }) =>
        stringify({ apiVersion, kind, metadata: { name, ...(Object.keys(labels).length > 0 && { labels }) }, spec }, { lineWidth: 120 }),
      );
      return { body: documents.join('---\n') };
    },
  });
}

function oneRoute({ db, kinds }: ResourceDeps): Route {
  return read({
    path: '/api/v1/resources/:kind/:name',
    operation: 'getResource',
    access: 'resource.read',
    summary: 'One resource, as it is in force or as a version of it was',
    params: OneResource,
    query: z.strictObject({ version: z.coerce.number().int().min(1).optional() }),
    result: ShownResource,
    handle: async ({ params, query }) => {
      requireKind(kinds, params.kind);
      const found =
        query.version === undefined
          ? await loadResource(db, params.kind, params.name)
          : await findResourceVersion(db, params.kind, params.name, query.version);
      if (found === undefined) throw unknownResource(params.kind, params.name);
      return { body: shown(found), version: found.version };
    },
  });
}

function versionsRoute({ db, kinds }: ResourceDeps): Route {
  const Version = z
    .object({ version: z.number().int(), digest: z.string(), deleted: z.boolean(), at: z.iso.datetime(), actor: z.string() })
    .meta({ id: 'ResourceVersion' });
  return read({
    path: '/api/v1/resources/:kind/:name/versions',
    operation: 'listResourceVersions',
    access: 'resource.read',
    summary: 'Every version that was in force, newest first',
    params: OneResource,
    query: z.strictObject({ ...pageQuery }),
    result: pageOf(Version),
    handle: async ({ params, query }) => {
      requireKind(kinds, params.kind);
      const before = query.cursor === undefined ? undefined : decodeCursor(query.cursor, z.tuple([z.number().int()]))[0];
      const rows = await listResourceVersions(db, { ...params, limit: query.limit + 1, ...(before !== undefined && { before }) });
      if (rows.length === 0 && before === undefined) throw unknownResource(params.kind, params.name);
      const page = pageFrom(rows, query.limit, ({ version }) => [version]);
      return { body: { ...page, items: page.items.map((row) => Object.assign({}, row, { at: row.at.toISOString() })) } };
    },
  });
}

function deleteRoute({ kinds }: ResourceDeps): Route {
  return write({
    method: 'DELETE',
    path: '/api/v1/resources/:kind/:name',
    operation: 'deleteResource',
    access: 'resource.delete',
    summary: 'Takes a resource out of force; its history stays',
    params: OneResource,
    ifMatch: 'required',
    handle: async ({ params, ifMatch, principal, at }, tx) => {
      requireKind(kinds, params.kind);
      await deleteResource(tx, { ...params, ifMatch, principal, at }, kinds);
      return { body: undefined };
    },
  });
}

function schemasRoute({ kinds }: ResourceDeps): Route {
  return read({
    path: '/api/v1/schemas',
    operation: 'getSchemas',
    access: 'public',
    summary: 'JSON Schema of every kind together, for editors',
    result: z.looseObject({}),
    handle: async (_call) => ({ body: { ...anyDocumentSchema(kinds) } }),
  });
}

function schemaRoute({ kinds }: ResourceDeps): Route {
  return read({
    path: '/api/v1/schemas/:kind',
    operation: 'getSchema',
    access: 'public',
    summary: 'JSON Schema of one kind, for editors',
    params: z.object({ kind: z.string().max(63) }),
    result: z.looseObject({}),
    handle: async ({ params }) => {
      const kind = kinds.get(params.kind);
      if (kind === undefined) throw unknownKind(kinds, params.kind);
      return { body: { ...documentSchema(kind) } };
    },
  });
}

function requireKind(kinds: Kinds, name: string): void {
  if (!kinds.has(name)) throw unknownKind(kinds, name);
}

function unknownKind(kinds: Kinds, name: string): Fault {
  const known = [...kinds.keys()];
  const hint = suggestion(name, known);
  return new Fault({
    code: 'resource.kind-unknown',
    status: 404,
    message: `expected a kind (${known.join(', ')}), got ${name}${hint === undefined ? '' : `; did you mean ${hint}?`}`,
    remedy: 'Kinds are written in PascalCase.',
  });
}

function shown(resource: StoredResource): z.infer<typeof ShownResource> {
  const { kind, name, labels, spec, version, digest } = resource;
  return {
    apiVersion,
    kind,
    metadata: { name, labels },
    spec,
    version,
    digest,
    createdAt: resource.createdAt.toISOString(),
    updatedAt: resource.updatedAt.toISOString(),
    updatedBy: resource.updatedBy,
  };
}

function mutable({ digest, changes }: Plan): z.infer<typeof PlanOfApply> {
  return { digest, changes: changes.map((change) => Object.assign({}, change, { differences: [...change.differences] })) };
}
