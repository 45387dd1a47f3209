import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { Fault } from './fault.ts';

const port = z.coerce.number('expected a port number').int().min(0).max(65_535);

/** What the environment of a process may say. Read once, at the start of a main; nothing else looks at `process.env`. */
const Environment = z.object({
  /** Data directory, relative to the current folder. */
  TIDEGATE_HOME: z.string().min(1).default('.tidegate'),
  /** A managed PostgreSQL 18 instead of the embedded one. */
  DATABASE_URL: z
    .string()
    .refine(isPostgresUrl, 'expected postgres://user:password@host:port/database, got something else (not shown: it may hold a password)')
    .optional(),
  /** Of the HTTP API and console; 0 takes any free one. */
  PORT: port.default(4400),
  /** 0.0.0.0 opens the API to other machines. */
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Connections of one server or worker process at most. */
  TIDEGATE_DATABASE_POOL: z.coerce.number('expected a number').int().min(2).max(100).default(10),
  /** Of the embedded database; any free one when absent. */
  TIDEGATE_DATABASE_PORT: port.min(1).optional(),
  TIDEGATE_LOG_LEVEL: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info'),
});

export interface Settings {
  /** Absolute. */
  readonly home: string;
  readonly paths: Paths;
  /** Holds a password: never to be logged. */
  readonly databaseUrl?: string;
  readonly databasePort?: number;
  readonly databasePoolSize: number;
  readonly port: number;
  readonly host: string;
  readonly logLevel: z.infer<typeof Environment>['TIDEGATE_LOG_LEVEL'];
}

/** Where things are in the data directory. */
export interface Paths {
  /** Sockets and process records, mode 0700. */
  readonly run: string;
  readonly logs: string;
  readonly postgres: string;
  /** Written by the server on its first start, mode 0600. */
  readonly adminToken: string;
  readonly routerSocket: string;
  readonly hostSocket: string;
  /** Of the supervising process. */
  readonly platformSocket: string;
}

/** The settings, or one Fault `settings.invalid` that names every fault at once. Empty variables count as absent. */
export function parseSettings(environment: Readonly<Record<string, string | undefined>>, currentFolder: string): Settings {
  const given = Object.fromEntries(Object.entries(environment).filter(([name, value]) => name in Environment.shape && value !== ''));
  const parsed = Environment.safeParse(given);
  const home = resolveHome(given['TIDEGATE_HOME'] ?? '.tidegate', currentFolder);
  const tooLong = Buffer.byteLength(pathsOf(home).platformSocket) > longestSocketPath;
  const faults = [
    ...(parsed.error?.issues ?? []).map(({ path, message }) => ({
      pointer: `/${path.join('/')}`,
      detail: `${path.join('.')}: ${message}`,
    })),
    ...(tooLong
      ? [{ pointer: '/TIDEGATE_HOME', detail: `TIDEGATE_HOME: expected a path short enough for sockets in it, got ${home}` }]
      : []),
  ];
  if (!parsed.success || faults.length > 0) throw invalidSettings(faults);
  const { DATABASE_URL, TIDEGATE_DATABASE_PORT, ...rest } = parsed.data;
  return {
    home,
    paths: pathsOf(home),
    ...(DATABASE_URL === undefined ? {} : { databaseUrl: DATABASE_URL }),
    ...(TIDEGATE_DATABASE_PORT === undefined ? {} : { databasePort: TIDEGATE_DATABASE_PORT }),
    databasePoolSize: rest.TIDEGATE_DATABASE_POOL,
    port: rest.PORT,
    host: rest.HOST,
    logLevel: rest.TIDEGATE_LOG_LEVEL,
  };
}

/** sun_path is 108 bytes with its end; a longer one is cut silently. */
const longestSocketPath = 107;

export function pathsOf(home: string): Paths {
  const run = join(home, 'run');
  return {
    run,
    logs: join(home, 'logs'),
    postgres: join(home, 'postgres'),
    adminToken: join(home, 'admin-token'),
    routerSocket: join(run, 'router.sock'),
    hostSocket: join(run, 'host.sock'),
    platformSocket: join(run, 'platform.sock'),
  };
}

function resolveHome(home: string, currentFolder: string): string {
  return isAbsolute(home) ? join(home) : join(currentFolder, home);
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:$/.test(URL.parse(text)?.protocol ?? '');
}

function invalidSettings(faults: readonly { readonly pointer: string; readonly detail: string }[]): Fault {
  return new Fault({
    code: 'settings.invalid',
    status: 422,
    message: `expected usable settings in the environment, got ${faults.map(({ detail }) => detail).join('; ')}`,
    remedy: 'correct these environment variables',
    faults,
  });
}
