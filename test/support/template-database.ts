import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres, stopEmbeddedPostgres } from '../../src/platform/database/embedded-postgres.ts';
import { migrateDatabase } from '../../src/platform/database/migrate.ts';
import { isAlive } from '../../src/platform/processes/process-table.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the migrated template; tests clone it and never connect to it. */
    templateDatabaseUrl: string;
  }
}

const prefix = 'tidegate-test-postgres-';

/**
 * vitest globalSetup: one embedded PostgreSQL for the run (nothing flushed to disk), with a template database that has
 * every migration. Both projects that need it share one.
 */
export async function setup(project: TestProject): Promise<void> {
  const shared = (sharedByProjects[key] ??= { users: 0, started: start() });
  shared.users += 1;
  const { url } = await shared.started;
  project.provide('templateDatabaseUrl', url);
}

export async function teardown(): Promise<void> {
  const shared = sharedByProjects[key];
  if (!shared) return;
  shared.users -= 1;
  if (shared.users > 0) return;
  delete sharedByProjects[key];
  const { folder } = await shared.started;
  await remove(folder);
}

/** Each project loads this file as a module of its own, so what they share hangs on the process. */
const key = Symbol.for('tidegate.test.template-database');
const sharedByProjects = globalThis as { [key]?: { users: number; readonly started: ReturnType<typeof start> } };

async function start(): Promise<{ readonly folder: string; readonly url: string }> {
  await removeAbandoned();
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  const { url } = await startEmbeddedPostgres({ folder, durable: false, settings: { max_connections: '200', shared_buffers: '64MB' } });
  await migrateDatabase(url);
  return { folder, url };
}

/** A test run that was killed could not stop its database. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    const owner = Number.parseInt(name.slice(prefix.length), 10);
    if (!(await isAlive(owner))) await remove(join(tmpdir(), name)).catch(() => {});
  }
}

async function remove(folder: string): Promise<void> {
  await stopEmbeddedPostgres(folder);
  await rm(folder, { recursive: true, force: true });
}
