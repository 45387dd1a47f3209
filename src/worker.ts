import { join } from 'node:path';
import { connectHost } from './drivers/process-host/host-client.ts';
import { createDirectoryStore } from './drivers/directory-store/directory-store.ts';
import { connectRouter } from './drivers/embedded-router/router-client.ts';
import { createGitSource } from './drivers/git/git-source.ts';
import { createHostBuildRunner } from './drivers/host-build/host-build-runner.ts';
import { releaseReconciler } from './pipelines/index.ts';
import { systemClock } from './platform/clock.ts';
import { connectDatabase } from './platform/database/connect.ts';
import { locateDatabase } from './platform/database/locate.ts';
import { migrateDatabase } from './platform/database/migrate.ts';
import { loadLedgerKey } from './platform/ledger/ledger-key.ts';
import { startSequencer } from './platform/ledger/sequencer.ts';
import { processLog } from './platform/processes/log.ts';
import type { Digest } from './platform/digest.ts';
import { runProcess } from './platform/processes/main.ts';
import { startQueue } from './platform/queue/index.ts';
import { parseSettings } from './platform/settings.ts';

/** `npm run worker`: drives release runs. Any number of them on one database; what one drops when it dies another takes up. */
await runProcess('worker', async () => {
  const settings = parseSettings(process.env, process.cwd());
  const log = processLog('worker', settings.logLevel);
  const databaseUrl = await locateDatabase(settings);
  await migrateDatabase(databaseUrl);
  const applicationName = `tidegate worker ${process.pid}`;
  const db = connectDatabase(databaseUrl, { poolSize: settings.databasePoolSize, applicationName });
  const store = createDirectoryStore({ home: settings.home });
  const sequencer = startSequencer({ url: databaseUrl, key: await loadLedgerKey({ home: settings.home }), log });
  const queue = await startQueue({ databaseUrl, db, applicationName, log });
  const worker = await queue.work(
    releaseReconciler({
      db,
      queue,
      clock: systemClock,
      source: createGitSource({ home: settings.home }),
      runner: createHostBuildRunner(),
      store,
      target: connectHost(settings.paths.hostSocket, { archivePathOf: (digest) => store.pathOf(digest as Digest) }),
      router: connectRouter(settings.paths.routerSocket),
      scratch: join(settings.home, 'builds'),
      log: (line) => log.info({}, line),
    }),
  );
  return {
    stop: async () => {
      await worker.stop({ graceMs: 10_000 });
      await queue.stop();
      await sequencer.stop();
      await db.destroy();
    },
  };
});
