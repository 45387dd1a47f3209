import { writeFile } from 'node:fs/promises';
import { createGitSource } from './drivers/git/git-source.ts';
import { tidegateKinds } from './kinds.ts';
import { systemClock } from './platform/clock.ts';
import { connectDatabase } from './platform/database/connect.ts';
import { locateDatabase } from './platform/database/locate.ts';
import { migrateDatabase } from './platform/database/migrate.ts';
import { startEventFeed } from './platform/events/event-feed.ts';
import { createHttp } from './platform/http/index.ts';
import { ensureFirstAdministrator, tokenAuthentication } from './platform/identity/index.ts';
import { loadLedgerKey } from './platform/ledger/ledger-key.ts';
import { startSequencer } from './platform/ledger/sequencer.ts';
import { processLog } from './platform/processes/log.ts';
import { runProcess } from './platform/processes/main.ts';
import { startQueue } from './platform/queue/index.ts';
import { parseSettings } from './platform/settings.ts';
import { registerRoutes } from './routes.ts';

/** `npm run server`: the HTTP API. Any number of them on one database. */
await runProcess('server', async () => {
  const settings = parseSettings(process.env, process.cwd());
  const log = processLog('server', settings.logLevel);
  const databaseUrl = await locateDatabase(settings);
  await migrateDatabase(databaseUrl);
  const applicationName = `tidegate server ${process.pid}`;
  const db = connectDatabase(databaseUrl, { poolSize: settings.databasePoolSize, applicationName });
  const key = await loadLedgerKey({ home: settings.home });
  const sequencer = startSequencer({ url: databaseUrl, key, log });
  const queue = await startQueue({ databaseUrl, db, applicationName, log });
  const feed = startEventFeed({ url: databaseUrl, db, log });
  await ensureFirstAdministrator(db, systemClock, (token) =>
    writeFile(settings.paths.adminToken, `${token}\n`, { mode: 0o600, flush: true }),
  );
  const app = await createHttp({
    db,
    clock: systemClock,
    authenticate: tokenAuthentication(db, systemClock),
    settings: { logLevel: settings.logLevel },
  });
  registerRoutes(app, {
    db,
    clock: systemClock,
    queue,
    kinds: tidegateKinds(queue),
    subscribe: feed.subscribe,
    source: createGitSource({ home: settings.home }),
    ledgerKey: key,
  });
  const url = await app.listen({ host: settings.host, port: settings.port });
  return {
    ready: { url },
    stop: async () => {
      await app.close();
      await feed.stop();
      await queue.stop();
      await sequencer.stop();
      await db.destroy();
    },
  };
});
