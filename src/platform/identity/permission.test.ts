import { expect, test } from 'vitest';
import { toyKinds } from '../../../test/support/toy-kinds.ts';
import { checkApply } from '../resources/plan.ts';
import { parseResources } from '../resources/parse.ts';
import { refuseSelfGrant } from './people.ts';
import { administratorMayNot, fieldRoles, mayDo, permissions } from './permission.ts';
import type { Permission } from './permission.ts';
import type { Principal } from './principal.ts';
import { stateOf } from './token.ts';

function principal(name: string, granted: readonly Permission[]): Principal {
  return { name, kind: 'person', emails: [], roles: ['x'], permissions: new Set(granted) };
}

function faultsOf(...documents: readonly { kind: string; name: string; spec: unknown }[]): readonly (string | undefined)[] {
  const text = documents
    .map(({ kind, name, spec }) => JSON.stringify({ apiVersion: 'tidegate.dev/v1', kind, metadata: { name }, spec }))
    .join('\n---\n');
  const { resources, faults } = parseResources([{ name: 'f', text }], toyKinds);
  return [...faults, ...checkApply(resources, [], toyKinds)].map(({ code }) => code);
}

const ann = { kind: 'Principal', name: 'ann', spec: { kind: 'person', displayName: 'Ann', emails: ['ann@example.com'] } };

test('who has the permission may, who has not may not and is told who can help', () => {
  expect(mayDo(principal('ann', ['release.create']), 'release.create').effect).toBe('allow');
  expect(mayDo(principal('ann', ['release.create']), 'release.promote')).toMatchObject({
    effect: 'deny',
    reasons: [{ code: 'permission.missing', remedy: expect.stringContaining('release-manager') }],
  });
});

test('an administrator configures and neither deploys nor approves', () => {
  expect(fieldRoles['administrator']?.filter((permission) => administratorMayNot.includes(permission))).toEqual([]);
  expect(administratorMayNot).toEqual(expect.arrayContaining(['release.promote', 'approval.decide']));
});

test('no role of the field may both bring a release forward and approve it', () => {
  for (const granted of Object.values(fieldRoles))
    expect(granted.includes('approval.decide') && granted.includes('release.promote')).toBe(false);
});

test('an auditor reads everything and changes nothing', () => {
  const reading = permissions.filter((permission) => permission.endsWith('.read'));

  expect([...(fieldRoles['auditor'] ?? [])].toSorted()).toEqual(reading.toSorted());
});

test('every permission is in the hands of some role of the field', () => {
  const granted = new Set(Object.values(fieldRoles).flat());

  expect(permissions.filter((permission) => !granted.has(permission))).toEqual([]);
});

test('a role of the field needs no permissions, another one does', () => {
  expect(faultsOf(ann, { kind: 'Role', name: 'security', spec: { members: ['ann'] } })).toEqual([]);
  expect(faultsOf(ann, { kind: 'Role', name: 'gardener', spec: { members: ['ann'] } })).toEqual(['role.permissions']);
  expect(faultsOf(ann, { kind: 'Role', name: 'gardener', spec: { members: ['ann'], permissions: ['release.raed'] } })).toEqual([
    'value.unknown',
  ]);
});

test('a bot acts for a person, and a person for nobody', () => {
  const bot = (actsFor: string) => ({ kind: 'Principal', name: 'ci', spec: { kind: 'bot', displayName: 'CI', actsFor } });

  expect(faultsOf(ann, bot('ann'))).toEqual([]);
  expect(faultsOf(ann, bot('nobody'))).toEqual(['principal.acts-for']);
  expect(faultsOf(bot('ci'))).toEqual(['principal.acts-for']);
  expect(faultsOf({ ...ann, spec: { ...ann.spec, actsFor: 'ann' } })).toEqual(['principal.acts-for']);
});

test('an address that is none is refused', () => {
  expect(faultsOf({ ...ann, spec: { ...ann.spec, emails: ['ann'] } })).toEqual(['value.format']);
});

test('a role that gives its author more than they have needs somebody else; one that does not is fine', () => {
  const actor = principal('ann', ['resource.apply']);

  expect(() => refuseSelfGrant(actor, 'release-manager', { members: ['ann'] })).toThrow(/somebody else/);
  expect(() => refuseSelfGrant(actor, 'release-manager', { members: ['ben'] })).not.toThrow();
  expect(() => refuseSelfGrant(actor, 'x', { members: ['ann'], permissions: ['resource.apply'] })).not.toThrow();
});

test('a token ends on the instant it says, and a revoked one stays revoked', () => {
  const end = new Date('2026-01-01T00:00:00Z');

  expect(stateOf({ expiresAt: end, revokedAt: undefined }, new Date(end.getTime() - 1))).toBe('active');
  expect(stateOf({ expiresAt: end, revokedAt: undefined }, end)).toBe('expired');
  expect(stateOf({ expiresAt: end, revokedAt: end }, new Date(0))).toBe('revoked');
});
