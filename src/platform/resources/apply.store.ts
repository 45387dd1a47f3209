import type { Transaction } from '../database/database.ts';
import { Fault } from '../fault.ts';
import type { Json } from '../digest.ts';
import { requireVersion } from '../http/version.ts';
import type { IfMatch } from '../http/version.ts';
import { requirePermission } from '../identity/permission.ts';
import type { Principal } from '../identity/principal.ts';
import { recordChange } from '../ledger/record.store.ts';
import { digestOfResource, parseResources, requireFaultless } from './parse.ts';
import type { ParsedResource, ResourceFile } from './parse.ts';
import { checkApply, checkDeletion, planApply } from './plan.ts';
import type { Plan } from './plan.ts';
import type { Kinds, Resource, ResourceChange, StoredResource } from './resource.ts';
import type { ResourceTables } from './resource.store.ts';
import { listAllResources, lockResources, unknownResource } from './resource.store.ts';

export interface Apply {
  readonly files: readonly ResourceFile[];
  readonly principal: Principal;
  readonly at: Date;
  /** The digest of the plan that was looked at; another plan by now is refused. */
  readonly ifMatch?: IfMatch | undefined;
}

/** Files → plan on the state as it is now, every fault at once. Writes nothing. */
export async function planFiles(
  tx: Transaction,
  files: readonly ResourceFile[],
  kinds: Kinds,
): Promise<{ readonly plan: Plan; readonly desired: readonly ParsedResource[]; readonly stored: readonly StoredResource[] }> {
  const { resources: desired, faults } = parseResources(files, kinds);
  const stored = await listAllResources(tx);
  requireFaultless([...faults, ...checkApply(desired, stored, kinds)]);
  return { plan: planApply(desired, stored), desired, stored };
}

/** Applies files: all of it or nothing. Applying what is in force already changes nothing and records nothing. */
export async function applyFiles(tx: Transaction, apply: Apply, kinds: Kinds): Promise<Plan> {
  await lockResources(tx, 'write');
  const { plan, desired, stored } = await planFiles(tx, apply.files, kinds);
  requireVersion(apply.ifMatch, plan.digest);
  const changing = desired.filter((_, index) => plan.changes[index]?.action !== 'unchanged');
  for (const permission of new Set(changing.flatMap((resource) => kinds.get(resource.kind)?.permission ?? [])))
    requirePermission(apply.principal, permission);
  for (const after of changing) {
    const before = stored.find((resource) => resource.kind === after.kind && resource.name === after.name);
    await saveResource(tx, { after, before, principal: apply.principal, at: apply.at }, kinds);
  }
  return plan;
}

export interface Save {
  readonly after: Resource;
  readonly before: StoredResource | undefined;
  readonly principal: Principal;
  readonly at: Date;
}

/** Puts one resource in force: row, history, ledger, and the kind's own hook. */
export async function saveResource(tx: Transaction, { after, before, principal, at }: Save, kinds: Kinds): Promise<void> {
  const version = (await lastVersion(tx, after)) + 1;
  const { kind, name, labels, spec } = after;
  const digest = digestOfResource(after);
  const t = tx.withTables<ResourceTables>();
  const content = { version, digest, labels: JSON.stringify(labels) as never, spec: JSON.stringify(spec) };
  await t
    .insertInto('resource')
    .values({ kind, name, ...content, created_at: at, updated_at: at, updated_by: principal.name })
    .onConflict((conflict) => conflict.columns(['kind', 'name']).doUpdateSet({ ...content, updated_at: at, updated_by: principal.name }))
    .execute();
  await t
    .insertInto('resource_version')
    .values({ kind, name, ...content, deleted: false, at, actor: principal.name })
    .execute();
  await recordChange(tx, {
    ...actorOf(principal),
    action: before === undefined ? 'resource.created' : 'resource.changed',
    subject: subjectOf(after),
    ...(before && { before: { version: before.version, digest: before.digest } }),
    after: { version, digest, labels, spec: spec as Json },
    at,
  });
  await kinds.get(kind)?.changed?.(tx, { name, ...(before && { before }), after, version, principal, at });
}

export interface Deletion {
  readonly kind: string;
  readonly name: string;
  readonly ifMatch: IfMatch | undefined;
  readonly principal: Principal;
  readonly at: Date;
}

/** Takes a resource out of force; its history stays. Refused with 409 while others refer to it. */
export async function deleteResource(tx: Transaction, deletion: Deletion, kinds: Kinds): Promise<void> {
  await lockResources(tx, 'write');
  const { kind, name, principal, at } = deletion;
  const stored = await listAllResources(tx);
  const before = stored.find((resource) => resource.kind === kind && resource.name === name);
  if (before === undefined) throw unknownResource(kind, name);
  requireVersion(deletion.ifMatch, before.version);
  const permission = kinds.get(kind)?.permission;
  if (permission !== undefined) requirePermission(principal, permission);
  refuseReferenced(before, stored, kinds);

  const t = tx.withTables<ResourceTables>();
  const version = before.version + 1;
  await t.deleteFrom('resource').where('kind', '=', kind).where('name', '=', name).execute();
  await t
    .insertInto('resource_version')
    .values({
      kind,
      name,
      version,
      digest: before.digest,
      labels: JSON.stringify(before.labels) as never,
      spec: JSON.stringify(before.spec),
      deleted: true,
      at,
      actor: principal.name,
    })
    .execute();
  await recordChange(tx, {
    ...actorOf(principal),
    action: 'resource.deleted',
    subject: subjectOf(before),
    before: { version: before.version, digest: before.digest },
    at,
  });
  const change: ResourceChange = { name, before, version, principal, at };
  await kinds.get(kind)?.changed?.(tx, change);
}

function refuseReferenced(gone: StoredResource, stored: readonly StoredResource[], kinds: Kinds): void {
  const faults = checkDeletion(gone, stored, kinds);
  if (faults.length === 0) return;
  throw new Fault({
    code: 'resource.referenced',
    status: 409,
    message: `expected nothing to need the ${gone.kind} ${gone.name}, got: ${faults[0]?.detail ?? ''}`,
    remedy: 'Change or delete what needs it first.',
    faults,
  });
}

/** Versions go on over a deletion. */
async function lastVersion(tx: Transaction, { kind, name }: Pick<Resource, 'kind' | 'name'>): Promise<number> {
  const row = await tx
    .withTables<ResourceTables>()
    .selectFrom('resource_version')
    .select('version')
    .where('kind', '=', kind)
    .where('name', '=', name)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.version ?? 0;
}

/** `application/storefront`: what event streams filter on. */
function subjectOf({ kind, name }: Pick<Resource, 'kind' | 'name'>): string {
  return `${kind.toLowerCase()}/${name}`;
}

function actorOf(principal: Principal): { readonly actor: string; readonly onBehalfOf?: string } {
  return { actor: principal.name, ...(principal.actsFor !== undefined && { onBehalfOf: principal.actsFor }) };
}
