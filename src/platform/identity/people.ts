import { z } from 'zod';
import { Fault } from '../fault.ts';
import type { FaultItem } from '../fault.ts';
import { ResourceName } from '../resources/resource.ts';
import type { Lookup, Resource, ResourceKind } from '../resources/resource.ts';
import { administratorMayNot, fieldRoles, permissions } from './permission.ts';
import type { Permission } from './permission.ts';
import type { Principal } from './principal.ts';

/** Spec of `kind: Principal`: somebody or something that acts. The emails tie commits to people: an author cannot approve. */
export const PrincipalSpec = z.strictObject({
  kind: z.enum(['person', 'bot']).describe('A bot acts for a person and is never counted as an approver of its own'),
  displayName: z.string().min(1).max(128),
  emails: z.array(z.email().max(254)).max(16).default([]).describe('Addresses this principal commits with'),
  actsFor: ResourceName.optional().describe('The person a bot acts for'),
});
export type PrincipalSpec = z.infer<typeof PrincipalSpec>;

/** Spec of `kind: Role`. Named like a role of the field and without `permissions`, it has that role's permissions. */
export const RoleSpec = z.strictObject({
  members: z.array(ResourceName).max(1_000).describe('Names of principals'),
  permissions: z
    .array(z.enum(permissions))
    .max(permissions.length)
    .optional()
    .describe('Left out: those of the role of the field with this name'),
});
export type RoleSpec = z.infer<typeof RoleSpec>;

/** What members of a role may do. The line of `administrator` is fixed by {@link checkRole}. */
export function permissionsOf(role: string, spec: RoleSpec): readonly Permission[] {
  return spec.permissions ?? fieldRoles[role] ?? [];
}

export const principalKind: ResourceKind<PrincipalSpec> = {
  kind: 'Principal',
  summary: 'A person or bot that acts, with the addresses it commits with',
  spec: PrincipalSpec,
  check: checkPrincipal,
};

export const roleKind: ResourceKind<RoleSpec> = {
  kind: 'Role',
  summary: 'Who fills a role, and what the role may do',
  spec: RoleSpec,
  check: checkRole,
  changed: async (_tx, { name, after, principal }) => {
    if (after) refuseSelfGrant(principal, name, after.spec);
  },
};

/** Nobody gives themself more than they have: it takes a second person. */
export function refuseSelfGrant(actor: Principal, role: string, spec: RoleSpec): void {
  const gained = spec.members.includes(actor.name)
    ? permissionsOf(role, spec).filter((permission) => !actor.permissions.has(permission))
    : [];
  if (gained.length === 0) return;
  throw new Fault({
    code: 'sod.self-grant',
    status: 403,
    message: `expected somebody else to give ${actor.name} the permissions of the role ${role}, got ${actor.name} doing it: ${gained.join(', ')}`,
    remedy: 'Ask another administrator to apply this.',
  });
}

function checkPrincipal({ name, spec }: Resource<PrincipalSpec>, lookup: Lookup): readonly FaultItem[] {
  if (spec.kind === 'person') {
    return spec.actsFor === undefined
      ? []
      : [{ pointer: '/spec/actsFor', code: 'principal.acts-for', detail: 'expected actsFor on bots only, got it on a person' }];
  }
  if (spec.actsFor === undefined) return [];
  const human = lookup('Principal', spec.actsFor);
  if (human !== undefined && spec.actsFor !== name && (human.spec as PrincipalSpec).kind === 'person') return [];
  return [{ pointer: '/spec/actsFor', code: 'principal.acts-for', detail: `expected the name of a person, got "${spec.actsFor}"` }];
}

function checkRole({ name, spec }: Resource<RoleSpec>, lookup: Lookup): readonly FaultItem[] {
  const unknown = spec.members.flatMap((member, index) =>
    lookup('Principal', member)
      ? []
      : [{ pointer: `/spec/members/${index}`, code: 'role.member-unknown', detail: `expected the name of a Principal, got "${member}"` }],
  );
  const twice = spec.members.flatMap((member, index) =>
    spec.members.indexOf(member) < index
      ? [{ pointer: `/spec/members/${index}`, code: 'role.member-twice', detail: `expected each member once, got "${member}" again` }]
      : [],
  );
  const powerless =
    spec.permissions === undefined && fieldRoles[name] === undefined
      ? [
          {
            pointer: '/spec/permissions',
            code: 'role.permissions',
            detail: `expected permissions, because "${name}" is none of the roles of the field (${Object.keys(fieldRoles).join(', ')})`,
          },
        ]
      : [];
  return [...unknown, ...twice, ...powerless, ...(name === 'administrator' ? checkAdministrator(spec) : [])];
}

function checkAdministrator(spec: RoleSpec): readonly FaultItem[] {
  const empty =
    spec.members.length === 0
      ? [
          {
            pointer: '/spec/members',
            code: 'role.no-administrator',
            detail: 'expected at least one administrator, got none: nobody could configure any more',
          },
        ]
      : [];
  const acting = (spec.permissions ?? []).flatMap((permission, index) =>
    administratorMayNot.includes(permission)
      ? [
          {
            pointer: `/spec/permissions/${index}`,
            code: 'sod.administrator-acts',
            detail: `expected an administrator to configure only, got ${permission}`,
          },
        ]
      : [],
  );
  return [...empty, ...acting];
}
