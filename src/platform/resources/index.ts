export { ResourceName, apiVersion } from './resource.ts';
export type { Kinds, Lookup, Resource, ResourceChange, ResourceKind, StoredResource } from './resource.ts';
export { findResource, findResourceVersion, listResources, loadResource, lockResources } from './resource.store.ts';
