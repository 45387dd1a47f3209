import { allow, deny } from '../decision.ts';
import type { Decision } from '../decision.ts';
import { Fault } from '../fault.ts';
import type { Principal } from './principal.ts';

/**
 * Everything one may be allowed to do, `noun.verb`. A route names one of these; a name that is not here does not compile.
 * Reading is `.read`; `mayDo` knows no wildcard.
 */
export const permissions = [
  'resource.read',
  'resource.apply',
  'resource.delete',
  'token.read',
  'token.create',
  'token.revoke',
  'release.read',
  'release.create',
  'release.promote',
  'release.hold',
  'release.roll-back',
  'build.read',
  'build.create',
  'artifact.read',
  'artifact.create',
  'deployment.read',
  'approval.read',
  'approval.decide',
  'freeze.read',
  'freeze.declare',
  'ledger.read',
  'event.read',
] as const;
export type Permission = (typeof permissions)[number];

/** What a route asks for. `public` needs no token at all, `authenticated` a valid one of anybody. */
export type Access = Permission | 'authenticated' | 'public';

const reading = permissions.filter(
  (permission) => permission.endsWith('.read') && permission !== 'token.read' && permission !== 'ledger.read',
);

/**
 * The roles of the field and what each may do unless its Role resource says otherwise. `administrator` configures and
 * never deploys or approves: that line is fixed (see {@link administratorMayNot}).
 */
export const fieldRoles: Readonly<Record<string, readonly Permission[]>> = {
  developer: [...reading, 'release.create', 'build.create'],
  'release-manager': [
    ...reading,
    'ledger.read',
    'release.create',
    'release.promote',
    'release.hold',
    'release.roll-back',
    'build.create',
    'artifact.create',
    'freeze.declare',
  ],
  security: [...reading, 'ledger.read', 'approval.decide', 'release.hold'],
  operations: [...reading, 'ledger.read', 'approval.decide', 'release.hold', 'release.roll-back', 'freeze.declare'],
  business: [...reading, 'approval.decide', 'release.hold'],
  auditor: [...reading, 'token.read', 'ledger.read'],
  administrator: [...reading, 'ledger.read', 'resource.apply', 'resource.delete', 'token.read', 'token.create', 'token.revoke'],
};

/** Whoever configures the rules must not act under them: one person would be enough to bring a commit to production. */
export const administratorMayNot: readonly Permission[] = [
  'release.create',
  'release.promote',
  'release.hold',
  'release.roll-back',
  'build.create',
  'artifact.create',
  'approval.decide',
];

/** Whether this principal may do this, with the reason and who can change it. */
export function mayDo(principal: Principal, permission: Permission): Decision {
  if (principal.permissions.has(permission)) return allow();
  const roles = Object.entries(fieldRoles).flatMap(([role, granted]) => (granted.includes(permission) ? [role] : []));
  return deny({
    code: 'permission.missing',
    sentence: `${principal.name} may not do this: it needs the permission ${permission}, got the roles ${principal.roles.join(', ') || 'none'}`,
    remedy: `Ask somebody who has it (as a rule ${roles.join(', ') || 'nobody'}), or an administrator for the role.`,
    evidence: { principal: principal.name, permission, roles: [...principal.roles] },
  });
}

/** Refuses with 403 and the reason. For what a route's `access` cannot say: permissions that depend on the input. */
export function requirePermission(principal: Principal, permission: Permission): void {
  const decision = mayDo(principal, permission);
  if (decision.effect === 'allow') return;
  const [reason] = decision.reasons;
  throw new Fault({
    code: reason?.code ?? 'permission.missing',
    status: 403,
    message: reason?.sentence ?? `expected the permission ${permission}`,
    ...(reason?.remedy !== undefined && { remedy: reason.remedy }),
  });
}
