import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connectControlSocket } from '../control-socket/client.ts';
import { stopEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { Fault } from '../fault.ts';
import { type Paths, pathsOf } from '../settings.ts';
import { endProcess, isRunning, readRecord } from './process-record.ts';

/** Orders of ending: who writes goes first, what carries users' traffic last. */
const order = ['worker', 'server', 'host', 'router'];

/** Asks the host to end the applications; the next host starts them again. Fine when no host runs. */
export async function suspendApplications({ hostSocket }: Paths): Promise<void> {
  const host = connectControlSocket({ path: hostSocket, processName: 'host', timeoutMs: 30_000 });
  try {
    await host.call('suspend', {});
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'host.unreachable') throw error;
  } finally {
    host.close();
  }
}

/**
 * Stops everything of a home: through its supervisor when there is one, otherwise by the records the last one left.
 * Answers with the names of what it ended. Idempotent.
 */
export async function stopEverything(home: string): Promise<readonly string[]> {
  const paths = pathsOf(home);
  const supervisor = connectControlSocket({ path: paths.platformSocket, processName: 'platform', timeoutMs: 90_000 });
  try {
    await supervisor.call('stop', {});
    return ['platform'];
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'platform.unreachable') throw error;
  } finally {
    supervisor.close();
  }
  await suspendApplications(paths);
  const ended: string[] = [];
  const records = (await readdir(paths.run).catch(() => [])).filter((file) => file.endsWith('.json'));
  const rank = (file: string): number => order.findIndex((name) => file.startsWith(name));
  for (const file of records.sort((a, b) => rank(a) - rank(b))) {
    const record = await readRecord(join(paths.run, file));
    if (record && (await isRunning(record.pid, record.file))) {
      await endProcess(record.pid, 15_000);
      ended.push(file.replace(/\.json$/, ''));
    }
    await rm(join(paths.run, file), { force: true });
  }
  await stopEmbeddedPostgres(paths.postgres);
  return ended;
}
