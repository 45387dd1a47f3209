import { Fault } from '../fault.ts';
import type { Settings } from '../settings.ts';
import { findEmbeddedPostgres } from './embedded-postgres.ts';

/** Where a process that was started alone finds its database: DATABASE_URL, or the embedded one that runs on this home. */
export async function locateDatabase(settings: Settings): Promise<string> {
  if (settings.databaseUrl !== undefined) return settings.databaseUrl;
  const running = await findEmbeddedPostgres(settings.paths.postgres);
  if (running) return running.url;
  throw new Fault({
    code: 'database.not-running',
    status: 503,
    message: `expected DATABASE_URL or a running database under ${settings.home}, got neither`,
    remedy: 'start the platform with `npm start`, or set DATABASE_URL to a PostgreSQL 18',
  });
}
