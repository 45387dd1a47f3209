export { applyFiles } from './apply.store.ts';
export { anyDocumentSchema, documentSchema, kindsOf } from './kinds.ts';
export { parseResources } from './parse.ts';
export { resourceRoutes } from './resource.api.ts';
export { ResourceName } from './resource.ts';
export type { Kinds, Lookup, Resource, ResourceChange, ResourceKind } from './resource.ts';
export { findResource, findResourceVersion, findResources, listResources, loadResource, lockResources } from './resource.store.ts';
