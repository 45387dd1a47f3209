export { Environment, effectiveConfiguration, laneOf } from './environment.ts';
export type { DeploymentTarget, Fence } from './target.port.ts';
export type { CountBatch, CountCursor, Route, TrafficRouter } from './router.port.ts';
export { environmentKind } from './environment.kind.ts';
