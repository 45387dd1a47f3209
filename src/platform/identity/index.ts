export { ensureFirstAdministrator } from './first-administrator.store.ts';
export { PrincipalSpec, RoleSpec, permissionsOf, principalKind, roleKind } from './people.ts';
export { administratorMayNot, fieldRoles, mayDo, permissions, requirePermission } from './permission.ts';
export type { Access, Permission } from './permission.ts';
export type { Principal } from './principal.ts';
export { tokenRoutes } from './token.api.ts';
export { principalOf, saveNewToken, tokenAuthentication } from './token.store.ts';
