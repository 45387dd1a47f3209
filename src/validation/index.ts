export { HealthCheck, decideHealth, nextProbeAt } from './health-check.ts';
export type { ProbeResult } from './health-check.ts';
export { decideSoak } from './soak.ts';
