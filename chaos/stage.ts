import { randomInt } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, unwrap } from '../src/client/client.ts';
import { connectDatabase } from '../src/platform/database/connect.ts';
import type { Database } from '../src/platform/database/database.ts';
import { stopEverything } from '../src/platform/processes/stop-everything.ts';
import { type Platform, startPlatform } from '../src/start-platform.ts';
import { approvers, type ChaosApplication, developer, environments, renderConfiguration } from './configuration.ts';
import { endProcessesIn } from './operating-system.ts';
import { openShop, type Shop } from './shop.ts';
import { installWitness } from './witness.store.ts';

export interface Stage {
  readonly home: string;
  readonly platform: Platform;
  readonly applications: readonly ChaosApplication[];
  readonly shop: Shop;
  readonly people: Readonly<Record<string, Client>>;
  /** On the address the database has now. */
  connect(): Database;
  /** Ends applications, router, host, database and every other process of the run, and removes its files. Idempotent. */
  strike(): Promise<void>;
}

interface StageOptions {
  readonly applications: readonly string[];
  readonly say: (line: string) => void;
}

/** The platform in a folder of its own, with free ports and two workers; its configuration applied and everybody signed in. */
export async function setStage({ applications, say }: StageOptions): Promise<Stage> {
  // Short: the path of a socket in it has at most 107 bytes.
  const folder = await mkdtemp(join(tmpdir(), 'tgc-'));
  await chmod(folder, 0o711);
  const home = join(folder, 'tg');
  let struck: Promise<void> | undefined;
  const strike = (): Promise<void> => (struck ??= removeStage(folder, home));
  try {
    const platform = await startPlatform({
      home,
      port: await freePort(),
      workers: 2,
      environment: { ...process.env, TIDEGATE_LOG_LEVEL: 'info' },
      onEvent: ({ name, event, pid, detail = '' }) =>
        say(`    ${name} ${event} ${pid ?? ''} ${event === 'ended' ? (detail.split('\n')[0] ?? '') : ''}`.trimEnd()),
    });
    const shop = await openShop(join(folder, 'git'));
    const placed = await Promise.all(applications.map(placeApplication));
    const administrator = createClient({ server: platform.url, token: platform.adminToken ?? '' });
    const text = renderConfiguration({ repository: shop.repository, signers: shop.signers, applications: placed });
    await unwrap(administrator.POST('/api/v1/resources', { body: { files: [{ name: 'chaos.yaml', text }] } }));
    const people = await signIn(administrator, platform.url);
    const connect = (): Database => connectDatabase(platform.databaseUrl, { poolSize: 2, applicationName: 'chaos', patienceMs: 60_000 });
    const db = connect();
    try {
      await installWitness(db);
    } finally {
      await db.destroy();
    }
    return { home, platform, applications: placed, shop, people, connect, strike };
  } catch (error) {
    await strike();
    throw error;
  }
}

async function removeStage(folder: string, home: string): Promise<void> {
  try {
    await stopEverything(home);
  } finally {
    // Whatever a failed stop left: everything of this run lives in this folder.
    await endProcessesIn(folder);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function signIn(administrator: Client, server: string): Promise<Readonly<Record<string, Client>>> {
  const names = [developer, ...Object.values(approvers)];
  const signedIn = await Promise.all(
    names.map(async (principal) => {
      const { token } = await unwrap(administrator.POST('/api/v1/tokens', { body: { principal, description: 'chaos', expiresInDays: 1 } }));
      return [principal, createClient({ server, token, retries: 0, timeoutMs: 15_000 })] as const;
    }),
  );
  return Object.fromEntries(signedIn);
}

async function placeApplication(name: string): Promise<ChaosApplication> {
  const ports = await Promise.all(environments.map(async (environment) => [environment, await freePort()] as const));
  return { name, ports: Object.fromEntries(ports) as ChaosApplication['ports'] };
}

/**
 * Below what the system gives to outgoing connections (32768 and up on Linux): there, the port of a router that is killed
 * may be taken by some connection before it is back.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 20_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once('error', () => resolve(false));
  probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  return promise;
}
