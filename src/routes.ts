import type { FastifyInstance } from 'fastify';
import type { Clock } from './platform/clock.ts';
import type { Database } from './platform/database/database.ts';
import { eventRoutes, healthRoutes, mountRoutes } from './platform/http/index.ts';
import type { Subscribe } from './platform/http/index.ts';
import { tokenRoutes } from './platform/identity/index.ts';
import type { Queue } from './platform/queue/index.ts';
import { resourceRoutes } from './platform/resources/index.ts';
import type { Kinds } from './platform/resources/index.ts';
import { buildRoutes } from './artifacts/index.ts';
import type { SourceRepository } from './artifacts/index.ts';
import { approvalRoutes, freezeRoutes } from './governance/index.ts';
import { createReleaseRoute, deploymentRoutes, releaseReadRoutes, releaseRequestRoutes } from './pipelines/index.ts';

/** What routes need. The server hands in the real parts; scripts/openapi.ts a database that is never asked. */
export interface RouteDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly kinds: Kinds;
  readonly subscribe: Subscribe;
  readonly queue: Queue;
  readonly source: SourceRepository;
  /** Checks each answer against its schema: tests and development. */
  readonly checkAnswers?: boolean;
}

/** Every route of Tidegate. The server and scripts/openapi.ts mount the same list, so the documentation cannot drift. */
export function registerRoutes(app: FastifyInstance, deps: RouteDeps): void {
  mountRoutes(app, deps, [
    ...healthRoutes(deps),
    ...tokenRoutes(deps),
    ...resourceRoutes(deps),
    ...eventRoutes(deps),
    createReleaseRoute(deps),
    ...releaseReadRoutes(deps),
    ...releaseRequestRoutes(deps),
    ...buildRoutes(deps),
    ...deploymentRoutes(deps),
    ...approvalRoutes(deps),
    ...freezeRoutes(deps),
  ]);
}
