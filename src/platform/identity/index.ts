export { ensureFirstAdministrator } from './first-administrator.store.ts';
export { principalKind, roleKind } from './people.ts';
export { permissions } from './permission.ts';
export type { Permission } from './permission.ts';
export { tokenRoutes } from './token.api.ts';
export { saveNewToken, tokenAuthentication } from './token.store.ts';
