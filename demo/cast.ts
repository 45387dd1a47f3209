import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Platform } from '../src/start-platform.ts';
import { startPlatform } from '../src/start-platform.ts';
import type { Desk, Person } from './people.ts';
import { mustSucceed, personAt } from './people.ts';
import type { StorefrontRepository } from './storefront-repository.ts';
import { createStorefrontRepository } from './storefront-repository.ts';

export const names = ['dana', 'sam', 'olga', 'bea', 'rita'] as const;
export type Name = (typeof names)[number];

/** Everybody and everything the story needs: a platform of processes, a repository, people with tokens of their own. */
export interface Cast {
  readonly home: string;
  readonly platform: Platform;
  readonly repository: StorefrontRepository;
  readonly administrator: Person;
  readonly people: Readonly<Record<Name, Person>>;
  /** Where users come in. */
  readonly shop: string;
  readonly configurationFile: string;
  /** Ends every process of the story and removes its files. Idempotent. */
  end(): Promise<void>;
}

export interface CastOptions {
  readonly say: (line: string) => void;
  /** Of the API; taken when it is free. */
  readonly port: number;
  /** Changes the configuration before it is applied. */
  readonly configure?: (yaml: string) => string;
}

export async function gather({ say, port, configure = (yaml) => yaml }: CastOptions): Promise<Cast> {
  // Short on purpose: the path of a socket in it has at most 107 bytes.
  const home = await mkdtemp(join(tmpdir(), 'tidegate-demo-'));
  // PostgreSQL runs as a user of its own when we are root: it must be able to pass through.
  await chmod(home, 0o711);
  const platform = await startPlatform({
    home: join(home, 'tg'),
    port: await freePort(port),
    onEvent: (event) => say(`  ${event.name} ${event.event}`),
  });
  let ended: Promise<void> | undefined;
  const end = () => (ended ??= platform.stop({ all: true }).then(() => rm(home, { recursive: true, force: true, maxRetries: 5 })));
  try {
    return { ...(await introduce(home, platform, configure)), home, platform, end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function introduce(
  home: string,
  platform: Platform,
  configure: (yaml: string) => string,
): Promise<Omit<Cast, 'home' | 'platform' | 'end'>> {
  if (platform.adminToken === undefined) throw new Error('expected the token of the first administrator, got none');
  const desk: Desk = { folder: home, server: platform.url, home: platform.home };
  const administrator = await personAt(desk, { name: 'administrator', token: platform.adminToken });
  const repository = await createStorefrontRepository({ directory: join(home, 'git') });
  const ports = { production: await freePort(4500), staging: await freePort(4501) };
  const configurationFile = join(home, 'tidegate.yaml');
  const configuration = configure(await repository.configuration());
  await writeFile(
    configurationFile,
    configuration.replace('port: 4500', `port: ${ports.production}`).replace('port: 4501', `port: ${ports.staging}`),
  );
  mustSucceed(await administrator.run('apply', '-f', configurationFile), 'tidegate apply');

  const people = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await signIn(administrator, desk, name)] as const)),
  ) as Record<Name, Person>;
  const hook = await signIn(administrator, desk, 'storefront-git');
  await repository.installPostReceiveHook({ url: platform.url, tokenFile: hook.tokenFile });
  return { repository, administrator, people, configurationFile, shop: `http://127.0.0.1:${ports.production}` };
}

async function signIn(administrator: Person, desk: Desk, name: string): Promise<Person> {
  const made = mustSucceed(await administrator.run('token', 'create', name, '--description', 'demo'), `token for ${name}`) as {
    readonly token: string;
  };
  return personAt(desk, { name, token: made.token });
}

/** The port asked for when it is free, otherwise any. */
function freePort(wanted: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.once('error', () => (wanted === 0 ? reject(new Error('expected a free port, found none')) : resolve(freePort(0))));
  probe.listen(wanted, '127.0.0.1', () => {
    const address = probe.address();
    probe.close(() => resolve(typeof address === 'object' && address ? address.port : wanted));
  });
  return promise;
}
