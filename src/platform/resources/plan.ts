import { digestOfJson } from '../digest.ts';
import type { Digest } from '../digest.ts';
import type { FaultItem } from '../fault.ts';
import { pointerOf } from '../schema-fault.ts';
import type { Path } from '../schema-fault.ts';
import type { ParsedResource } from './parse.ts';
import type { Kinds, Lookup, Resource, StoredResource } from './resource.ts';

export type PlannedAction = 'create' | 'change' | 'unchanged';

/** One field that differs. `before` is absent when it is added, `after` when it is removed. */
export interface FieldDifference {
  /** RFC 6901 pointer into `{labels, spec}`. */
  readonly pointer: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface PlannedChange {
  readonly kind: string;
  readonly name: string;
  readonly action: PlannedAction;
  /** Version in force now; absent when it will be created. */
  readonly version?: number;
  readonly differences: readonly FieldDifference[];
}

export interface Plan {
  /** Names this plan on this state: sent back as If-Match, an apply does exactly this or nothing. */
  readonly digest: Digest;
  readonly changes: readonly PlannedChange[];
}

/** What applying would do. What is stored and not named is left alone. */
export function planApply(desired: readonly Resource[], stored: readonly StoredResource[]): Plan {
  const current = byKey(stored);
  const changes = desired.map((resource) => planOne(resource, current.get(keyOf(resource))));
  const rests = desired.map((resource) => {
    const now = current.get(keyOf(resource));
    return [
      resource.kind,
      resource.name,
      digestOfJson({ labels: resource.labels, spec: resource.spec }),
      now?.version ?? 0,
      now?.digest ?? '',
    ];
  });
  return { digest: digestOfJson(rests.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))), changes };
}

function planOne(desired: Resource, stored: StoredResource | undefined): PlannedChange {
  const { kind, name } = desired;
  const after = { labels: desired.labels, spec: desired.spec };
  if (stored === undefined) return { kind, name, action: 'create', differences: differencesOf({}, after) };
  const differences = differencesOf({ labels: stored.labels, spec: stored.spec }, after);
  return { kind, name, action: differences.length > 0 ? 'change' : 'unchanged', version: stored.version, differences };
}

/** Field by field; list items are compared by position. */
export function differencesOf(before: unknown, after: unknown, path: Path = []): readonly FieldDifference[] {
  if (isMap(before) && isMap(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => differencesOf(own(before, key), own(after, key), [...path, key]));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => differencesOf(before[index], after[index], [...path, index])).flat();
  }
  if (before === after) return [];
  // A whole map that comes or goes is told field by field, unless it is empty.
  if (before === undefined && isMap(after) && Object.keys(after).length > 0) return differencesOf({}, after, path);
  return [{ pointer: pointerOf(path), ...(before !== undefined && { before }), ...(after !== undefined && { after }) }];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(map: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/**
 * Cross references over the state as it will be. Faults of what is applied stand at their place in the file; what is
 * stored and would be broken by this apply (and was whole before) is named too.
 */
export function checkApply(desired: readonly ParsedResource[], stored: readonly StoredResource[], kinds: Kinds): readonly FaultItem[] {
  const after = lookupIn([...stored, ...desired]);
  const applied = new Set(desired.map(keyOf));
  const faults = desired.flatMap((resource) => checkOne(resource, after, kinds).map((fault) => resource.at(fault)));
  return [
    ...faults,
    ...brokenBy(
      stored.filter((resource) => !applied.has(keyOf(resource))),
      { before: lookupIn(stored), after, kinds },
    ),
  ];
}

/** What would be broken if this resource were gone. */
export function checkDeletion(gone: Resource, stored: readonly StoredResource[], kinds: Kinds): readonly FaultItem[] {
  const rest = stored.filter((resource) => keyOf(resource) !== keyOf(gone));
  return brokenBy(rest, { before: lookupIn(stored), after: lookupIn(rest), kinds });
}

interface States {
  readonly before: Lookup;
  readonly after: Lookup;
  readonly kinds: Kinds;
}

function brokenBy(resources: readonly StoredResource[], { before, after, kinds }: States): readonly FaultItem[] {
  return resources.flatMap((resource) => {
    const old = new Set(checkOne(resource, before, kinds).map((fault) => `${fault.pointer} ${fault.detail}`));
    const broken = checkOne(resource, after, kinds).filter((fault) => !old.has(`${fault.pointer} ${fault.detail}`));
    return broken.map((fault) => Object.assign({}, fault, { detail: `${resource.kind} ${resource.name}, which stays: ${fault.detail}` }));
  });
}

function checkOne(resource: Resource, lookup: Lookup, kinds: Kinds): readonly FaultItem[] {
  return kinds.get(resource.kind)?.check?.(resource, lookup) ?? [];
}

function lookupIn(resources: readonly Resource[]): Lookup {
  const all = byKey(resources);
  return (kind, name) => all.get(keyOf({ kind, name }));
}

function byKey<One extends Pick<Resource, 'kind' | 'name'>>(resources: readonly One[]): ReadonlyMap<string, One> {
  return new Map(resources.map((resource) => [keyOf(resource), resource]));
}

function keyOf({ kind, name }: Pick<Resource, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}
