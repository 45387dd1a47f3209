import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Clock } from './platform/clock.ts';
import type { Database } from './platform/database/database.ts';
import { eventRoutes, healthRoutes, mountRoutes, staticRoutes } from './platform/http/index.ts';
import type { Subscribe } from './platform/http/index.ts';
import { tokenRoutes } from './platform/identity/index.ts';
import type { LedgerRouteDeps } from './platform/ledger/ledger.api.ts';
import { ledgerRoutes } from './platform/ledger/ledger.api.ts';
import { mountLedgerFiles } from './platform/ledger/ledger-files.api.ts';
import type { Queue } from './platform/queue/index.ts';
import { resourceRoutes } from './platform/resources/index.ts';
import type { Kinds } from './platform/resources/index.ts';
import { buildRoutes } from './artifacts/index.ts';
import type { SourceRepository } from './artifacts/index.ts';
import { approvalRoutes, freezeRoutes } from './governance/index.ts';
import { createReleaseRoute, deploymentRoutes, releaseReadRoutes, releaseRequestRoutes } from './pipelines/index.ts';

const statusPage = staticRoutes(join(import.meta.dirname, 'web/status'), [
  { path: '/', file: 'index.html', type: 'text/html' },
  { path: '/status.js', file: 'status.js', type: 'text/javascript' },
  { path: '/status.css', file: 'status.css', type: 'text/css' },
  { path: '/icon.svg', file: 'icon.svg', type: 'image/svg+xml' },
]);

/** What routes need. The server hands in the real parts; scripts/openapi.ts a database that is never asked. */
export interface RouteDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly kinds: Kinds;
  readonly subscribe: Subscribe;
  readonly queue: Queue;
  readonly source: SourceRepository;
  readonly ledgerKey: LedgerRouteDeps['ledgerKey'];
  /** Checks each answer against its schema: tests and development. */
  readonly checkAnswers?: boolean;
}

/** Every route of Tidegate. The server and scripts/openapi.ts mount the same list, so the documentation cannot drift. */
export function registerRoutes(app: FastifyInstance, deps: RouteDeps): void {
  mountRoutes(app, deps, [
    ...healthRoutes(deps),
    ...statusPage,
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
    ...ledgerRoutes(deps),
  ]);
  mountLedgerFiles(app, deps);
}
