import { z } from 'zod';
import type { Transaction } from '../database/database.ts';
import type { FaultItem } from '../fault.ts';
import type { Permission } from '../identity/permission.ts';
import type { Principal } from '../identity/principal.ts';

export const apiVersion = 'tidegate.dev/v1';

/** Names appear in addresses, subjects and host names: lower case, digits, dots and hyphens. */
export const ResourceName = z
  .string()
  .max(63)
  .regex(
    /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/,
    'a name of lower-case letters, digits, dots and hyphens that begins and ends with a letter or digit',
  );

export const Labels = z.record(
  z.string().regex(/^[a-z0-9]([a-z0-9./-]{0,61}[a-z0-9])?$/, 'a label of lower-case letters, digits, dots, slashes and hyphens'),
  z.string().max(128),
);
export type Labels = z.infer<typeof Labels>;

/** One declared thing, as it stands in a file. */
export interface Resource<Spec = unknown> {
  readonly kind: string;
  readonly name: string;
  readonly labels: Labels;
  readonly spec: Spec;
}

/** A resource in force. `version` rises by one with each change of labels or spec; `digest` is over both. */
export interface StoredResource<Spec = unknown> extends Resource<Spec> {
  readonly version: number;
  readonly digest: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly updatedBy: string;
}

/** Finds a resource as it will be after the apply, of any kind: what cross references are checked against. */
export type Lookup = (kind: string, name: string) => Resource | undefined;

/** What a kind's hook learns about one changed resource, inside the transaction. */
export interface ResourceChange<Spec = unknown> {
  readonly name: string;
  /** Absent when it was created. */
  readonly before?: Resource<Spec>;
  /** Absent when it was deleted. */
  readonly after?: Resource<Spec>;
  readonly version: number;
  readonly principal: Principal;
  readonly at: Date;
}

/** A kind of resource, handed in at wiring. The platform knows Principal and Role; the domains bring the rest. */
export interface ResourceKind<Spec = unknown> {
  /** PascalCase, singular: `Application`. */
  readonly kind: string;
  readonly summary: string;
  /** Strict objects only: an unknown field is refused. Its output must be plain JSON; it is what is stored. */
  readonly spec: z.ZodType<Spec>;
  /** Needed on top of `resource.apply` to change this kind. */
  readonly permission?: Permission;
  /** Cross references and rules over the whole; pure. Pointers are into the document: `/spec/stages/0`. */
  check?(resource: Resource<Spec>, lookup: Lookup): readonly FaultItem[];
  /** Runs in the transaction of the apply, for each resource of this kind that changed; a Fault refuses the whole apply. */
  changed?(tx: Transaction, change: ResourceChange<Spec>): Promise<void>;
}

/** The kinds known to this process, by name. */
export type Kinds = ReadonlyMap<string, ResourceKind>;
