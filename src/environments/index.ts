export { Environment, effectiveConfiguration, laneOf } from './environment.ts';
export type { DeploymentTarget, Fence, Instance, InstanceSpec } from './target.port.ts';
export type { CountBatch, CountCursor, CountPage, Route, RouteStatus, TrafficRouter } from './router.port.ts';
export { environmentKind } from './environment.kind.ts';
