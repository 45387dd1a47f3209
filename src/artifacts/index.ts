export { buildRoutes } from './build.api.ts';
export type { ArtifactStore } from './artifact-store.port.ts';
export type { BuildRunner } from './build-runner.port.ts';
export { buildOnce } from './build-once.reconcile.ts';
export { failBuild, findBuild, finishBuild, startBuild } from './build.store.ts';
export type { CommitAuthor, SourceRepository, TagInfo } from './source.port.ts';
