export { createReleaseRoute } from './create-release.api.ts';
export { deploymentRoutes } from './deployment.api.ts';
export { pipelineKind } from './pipeline.kind.ts';
export { releaseReadRoutes } from './release.api.ts';
export { releaseRequestRoutes } from './release-request.api.ts';
export { releaseReconciler } from './release-run.reconcile.ts';
export { listRunsUnderWay } from './release-run.store.ts';
