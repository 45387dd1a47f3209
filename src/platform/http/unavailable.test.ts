import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ask, testHttp } from '../../../test/support/http.ts';
import { systemClock } from '../clock.ts';
import { connectDatabase } from '../database/connect.ts';
import { resourceRoutes } from '../resources/index.ts';
import { toyKinds } from '../../../test/support/toy-kinds.ts';
import { healthRoutes, mountRoutes } from './index.ts';

/** A port nobody listens on: taken and given back. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('while the database is away the process is alive, not ready, and refuses requests with 503 and no address', async () => {
  const port = await freePort();
  const db = connectDatabase(`postgres://someone:hunter2@127.0.0.1:${port}/none`, { patienceMs: 50 });
  const app = await testHttp({ db, settings: { logLevel: 'silent' } });
  mountRoutes(app, { db, clock: systemClock }, [...healthRoutes({ db }), ...resourceRoutes({ db, kinds: toyKinds })]);
  try {
    const [alive, ready, asked] = [
      await ask(app, 'GET /healthz'),
      await ask(app, 'GET /readyz'),
      await ask(app, 'GET /api/v1/resources', { token: `tg_${'A'.repeat(43)}` }),
    ];

    expect(alive.status).toBe(200);
    for (const refused of [ready, asked]) {
      expect(refused).toMatchObject({ status: 503, json: { code: 'database.unavailable', remedy: expect.any(String) } });
      expect(refused.headers['retry-after']).toBe('2');
      expect(refused.text).not.toMatch(new RegExp(`${port}|hunter2|127\\.0\\.0\\.1`));
    }
  } finally {
    await app.close();
    await db.destroy();
  }
});
