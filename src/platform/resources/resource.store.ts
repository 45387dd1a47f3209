import { sql } from 'kysely';
import type { Reader, Transaction } from '../database/database.ts';
import { Fault } from '../fault.ts';
import { schemaFaults } from '../schema-fault.ts';
import type { Labels, ResourceKind, StoredResource } from './resource.ts';

export type ResourceTable = {
  readonly kind: string;
  readonly name: string;
  readonly version: number;
  readonly digest: string;
  readonly labels: Labels;
  readonly spec: unknown;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly updated_by: string;
};
export type ResourceVersionTable = {
  readonly kind: string;
  readonly name: string;
  readonly version: number;
  readonly digest: string;
  readonly labels: Labels;
  readonly spec: unknown;
  readonly deleted: boolean;
  readonly at: Date;
  readonly actor: string;
};
export type ResourceTables = { readonly resource: ResourceTable; readonly resource_version: ResourceVersionTable };

/** A kind with its schema (the spec comes typed, with defaults filled in), or only its name (the spec comes as stored). */
type KindOf<Spec> = ResourceKind<Spec> | string;

/** Held until the transaction ends: readers share it, an apply has it alone. Take it before reading what a decision rests on. */
export async function lockResources(tx: Transaction, mode: 'read' | 'write'): Promise<void> {
  const lock =
    mode === 'read'
      ? sql`pg_advisory_xact_lock_shared(hashtextextended('tidegate resources', 0))`
      : sql`pg_advisory_xact_lock(hashtextextended('tidegate resources', 0))`;
  await sql`select ${lock}`.execute(tx);
}

/** The resource in force, or undefined. */
export async function findResource<Spec = unknown>(
  reader: Reader,
  kind: KindOf<Spec>,
  name: string,
): Promise<StoredResource<Spec> | undefined> {
  const row = await reader
    .withTables<ResourceTables>()
    .selectFrom('resource')
    .selectAll()
    .where('kind', '=', nameOfKind(kind))
    .where('name', '=', name)
    .executeTakeFirst();
  return row && resourceOf(kind, row);
}

/** The resource in force; a Fault 404 `resource.unknown` when there is none. */
export async function loadResource<Spec = unknown>(reader: Reader, kind: KindOf<Spec>, name: string): Promise<StoredResource<Spec>> {
  const found = await findResource(reader, kind, name);
  if (found) return found;
  throw unknownResource(nameOfKind(kind), name);
}

/** Several resources in force, in one read; those that are not there are absent. */
export async function findResources(
  reader: Reader,
  wanted: readonly { readonly kind: string; readonly name: string }[],
): Promise<readonly StoredResource[]> {
  if (wanted.length === 0) return [];
  const rows = await reader
    .withTables<ResourceTables>()
    .selectFrom('resource')
    .selectAll()
    .where((eb) => eb.or(wanted.map(({ kind, name }) => eb.and([eb('kind', '=', kind), eb('name', '=', name)]))))
    .execute();
  return rows.map(rowOf);
}

/** All resources of a kind in force, by name. */
export async function listResources<Spec = unknown>(reader: Reader, kind: KindOf<Spec>): Promise<readonly StoredResource<Spec>[]> {
  const rows = await reader
    .withTables<ResourceTables>()
    .selectFrom('resource')
    .selectAll()
    .where('kind', '=', nameOfKind(kind))
    .orderBy('name')
    .execute();
  return rows.map((row) => resourceOf(kind, row));
}

/** A version that is or was in force; a running release keeps the version it began with. Undefined when there was none. */
export async function findResourceVersion<Spec = unknown>(
  reader: Reader,
  kind: KindOf<Spec>,
  name: string,
  version: number,
): Promise<StoredResource<Spec> | undefined> {
  const row = await reader
    .withTables<ResourceTables>()
    .selectFrom('resource_version')
    .selectAll()
    .where('kind', '=', nameOfKind(kind))
    .where('name', '=', name)
    .where('version', '=', version)
    .where('deleted', '=', false)
    .executeTakeFirst();
  return row && resourceOf(kind, { ...row, created_at: row.at, updated_at: row.at, updated_by: row.actor });
}

export function unknownResource(kind: string, name: string): Fault {
  return new Fault({
    code: 'resource.unknown',
    status: 404,
    message: `expected a ${kind} named ${name}, got none`,
    remedy: `List what there is: tidegate get ${kind.toLowerCase()}`,
  });
}

function nameOfKind(kind: KindOf<unknown>): string {
  return typeof kind === 'string' ? kind : kind.kind;
}

/** Read through the kind's schema, so that fields added since it was stored have their defaults. */
function resourceOf<Spec>(kind: KindOf<Spec>, row: ResourceTable): StoredResource<Spec> {
  if (typeof kind === 'string') return rowOf(row) as StoredResource<Spec>;
  const spec = kind.spec.safeParse(row.spec);
  if (spec.success) return { ...rowOf(row), spec: spec.data };
  throw new Fault({
    code: 'resource.outdated',
    status: 500,
    message: `expected the stored ${row.kind} ${row.name} (version ${row.version}) to satisfy the schema of this release of Tidegate, got one from before`,
    remedy: 'Correct the file and apply it again.',
    faults: schemaFaults(spec.error, row.spec).map(({ path: _path, ...fault }) => fault),
  });
}

/** The row as it is, for those who show or compare it. */
function rowOf(row: ResourceTable): StoredResource {
  return {
    kind: row.kind,
    name: row.name,
    labels: row.labels,
    spec: row.spec,
    version: row.version,
    digest: row.digest,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
  };
}

/** Every resource in force, in the order of an export: kinds that others refer to may come later. */
export async function listAllResources(reader: Reader): Promise<readonly StoredResource[]> {
  const rows = await reader.withTables<ResourceTables>().selectFrom('resource').selectAll().orderBy('kind').orderBy('name').execute();
  return rows.map(rowOf);
}

export interface ResourceQuery {
  readonly kind?: string;
  /** Kind and name of the last row seen. */
  readonly after?: readonly [string, string];
  readonly limit: number;
}

export async function listResourcePage(reader: Reader, { kind, after, limit }: ResourceQuery): Promise<readonly StoredResource[]> {
  let query = reader.withTables<ResourceTables>().selectFrom('resource').selectAll().orderBy('kind').orderBy('name').limit(limit);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (after !== undefined) query = query.where((eb) => eb(eb.refTuple('kind', 'name'), '>', eb.tuple(...after)));
  return (await query.execute()).map(rowOf);
}

export interface ResourceVersion {
  readonly version: number;
  readonly digest: string;
  readonly deleted: boolean;
  readonly at: Date;
  readonly actor: string;
}

/** Newest first. */
export async function listResourceVersions(
  reader: Reader,
  { kind, name, before, limit }: { readonly kind: string; readonly name: string; readonly before?: number; readonly limit: number },
): Promise<readonly ResourceVersion[]> {
  let query = reader
    .withTables<ResourceTables>()
    .selectFrom('resource_version')
    .select(['version', 'digest', 'deleted', 'at', 'actor'])
    .where('kind', '=', kind)
    .where('name', '=', name)
    .orderBy('version', 'desc')
    .limit(limit);
  if (before !== undefined) query = query.where('version', '<', before);
  return query.execute();
}
