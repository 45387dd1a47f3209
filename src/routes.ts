import type { FastifyInstance } from 'fastify';
import type { Clock } from './platform/clock.ts';
import type { Database } from './platform/database/database.ts';
import { healthRoutes, mountRoutes } from './platform/http/index.ts';

/** What routes need. The server hands in the real parts; scripts/openapi.ts a database that is never asked. */
export interface RouteDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly checkAnswers?: boolean;
}

/** Every route of Tidegate. The server and scripts/openapi.ts mount the same list, so the documentation cannot drift. */
export function registerRoutes(app: FastifyInstance, deps: RouteDeps): void {
  mountRoutes(app, deps, [...healthRoutes(deps)]);
}
