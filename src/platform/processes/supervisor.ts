import { mkdir, readFile, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type ControlSocket, serveControlSocket } from '../control-socket/server.ts';
import { migrateDatabase } from '../database/migrate.ts';
import { exists } from '../database/postgres-binaries.ts';
import { Fault } from '../fault.ts';
import { type Paths, pathsOf } from '../settings.ts';
import type { ReadyLine } from './process-record.ts';
import { type ProcessEvent, type ProcessStatus, SupervisedProcess } from './supervised-process.ts';
import { suspendApplications } from './stop-everything.ts';
import { SupervisedPostgres } from './supervised-postgres.ts';

/** The mains a platform consists of, as absolute paths: who wires them knows where they are. */
export interface PlatformMains {
  readonly server: string;
  readonly worker: string;
  readonly router: string;
  readonly host: string;
}

export interface PlatformOptions {
  readonly mains: PlatformMains;
  /** Absolute. Made when missing. */
  readonly home: string;
  /** Of the API. Default 4400; 0 takes any free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** A managed PostgreSQL; otherwise the embedded one under `home`. */
  readonly databaseUrl?: string;
  /** Of the embedded database. Default: any free one, kept from start to start. */
  readonly databasePort?: number;
  /** Worker processes: `worker`, `worker-2`, … Default 1. */
  readonly workers?: number;
  /** What every process gets to see besides its own settings. Default: this process's environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly onEvent?: (event: ProcessEvent) => void;
}

export interface Platform {
  /** Of the API. */
  readonly url: string;
  readonly home: string;
  readonly paths: Paths;
  /** Holds a password: never to be logged. Changes when the embedded database had to take another port. */
  readonly databaseUrl: string;
  /** Of the first start, from its file; undefined when the server made none. */
  readonly adminToken: string | undefined;
  /** postgres (unless managed), router, host, server, worker, worker-2, … */
  processes(): readonly ProcessStatus[];
  /** Settles when it was stopped, by {@link stop} or through its control socket. */
  readonly stopped: Promise<void>;
  /**
   * Ends workers, servers and the embedded database, in this order. Router, host and the applications run on and are
   * adopted by the next start, unless `all`. Idempotent.
   */
  stop(options?: { readonly all?: boolean }): Promise<void>;
}

/**
 * Starts the whole platform on a home, or adopts what runs there, and keeps every process of it running: one that is
 * killed, with -9 too, is started again. One supervisor per home: a second one gets Fault `control.already-running`.
 * Other faults: `port.in-use`, `disk.full`, those of the database and `process.start-failed`; nothing is left running
 * then that was not running before.
 */
export async function supervisePlatform(options: PlatformOptions): Promise<Platform> {
  const paths = pathsOf(options.home);
  await prepareHome(options.home, paths);
  const running = new RunningPlatform(options, paths);
  try {
    await running.start();
  } catch (error) {
    await running.abandon();
    throw asHomeFault(options.home, error);
  }
  return running;
}

class RunningPlatform implements Platform {
  readonly home: string;
  readonly paths: Paths;
  readonly stopped: Promise<void>;
  readonly #options: PlatformOptions;
  readonly #postgres: SupervisedPostgres | undefined;
  readonly #outliving: readonly SupervisedProcess[];
  #servers: readonly SupervisedProcess[] = [];
  #workers: readonly SupervisedProcess[] = [];
  #control: ControlSocket | undefined;
  readonly #over = Promise.withResolvers<void>();
  #stopping: Promise<void> | undefined;
  url = '';
  databaseUrl = '';
  adminToken: string | undefined;

  constructor(options: PlatformOptions, paths: Paths) {
    const { home, mains, databaseUrl, databasePort } = options;
    this.home = home;
    this.paths = paths;
    this.stopped = this.#over.promise;
    this.#options = options;
    const postgres = { folder: paths.postgres, ...(databasePort === undefined ? {} : { port: databasePort }) };
    this.#postgres = databaseUrl === undefined ? new SupervisedPostgres(postgres, this.#tell) : undefined;
    this.#outliving = [
      this.#supervise({
        name: 'router',
        file: mains.router,
        outlives: true,
        socket: paths.routerSocket,
        environment: this.#environment({}),
      }),
      this.#supervise({ name: 'host', file: mains.host, outlives: true, socket: paths.hostSocket, environment: this.#environment({}) }),
    ];
  }

  async start(): Promise<void> {
    const { port = 4400, host = '127.0.0.1', workers = 1, mains } = this.#options;
    const handlers = { status: () => Promise.resolve(this.processes()), stop: () => this.stop({ all: true }) };
    this.#control = await serveControlSocket({ path: this.paths.platformSocket, processName: 'platform', handlers });
    await allOrNothing<unknown>([...this.#outliving.map((each) => each.start()), this.#startDatabase()]);

    this.#workers = Array.from({ length: workers }, (_, i) =>
      this.#supervise({
        name: i === 0 ? 'worker' : `worker-${i + 1}`,
        file: mains.worker,
        outlives: false,
        environment: this.#ofDatabase(),
      }),
    );
    const server = this.#supervise({
      name: 'server',
      file: mains.server,
      outlives: false,
      environment: { ...this.#ofDatabase(), PORT: String(port), HOST: host },
    });
    this.#servers = [server];
    const [ready] = await allOrNothing([startServer(server, port, host), ...this.#workers.map((each) => each.start())]);
    this.url = typeof ready?.['url'] === 'string' ? ready['url'] : `http://${host}:${port}`;
    this.adminToken = (await readFile(this.paths.adminToken, 'utf8').catch(() => undefined))?.trim();
  }

  processes(): readonly ProcessStatus[] {
    const all = [this.#postgres, ...this.#outliving, ...this.#servers, ...this.#workers];
    return all.flatMap((each) => (each ? [each.status] : []));
  }

  stop({ all = false }: { readonly all?: boolean } = {}): Promise<void> {
    this.#stopping ??= this.#stop(() => !all, all);
    return this.#stopping;
  }

  /** After a failed start: ends what was started, leaves what was found. */
  abandon(): Promise<void> {
    this.#stopping ??= this.#stop((each) => each.status.adopted);
    return this.#stopping;
  }

  async #stop(leave: (each: SupervisedProcess) => boolean, withApplications = false): Promise<void> {
    await Promise.all(this.#workers.map((each) => each.stop()));
    await Promise.all(this.#servers.map((each) => each.stop()));
    await this.#postgres?.stop();
    if (withApplications) await suspendApplications(this.paths);
    await Promise.all(this.#outliving.map((each) => each.stop({ leave: leave(each) })));
    this.#over.resolve();
    // Not awaited: the caller of `stop` through this socket is still to be answered.
    void this.#control?.close();
  }

  async #startDatabase(): Promise<void> {
    this.databaseUrl = this.#options.databaseUrl ?? (await this.#postgres?.start((url) => this.#moveTo(url))) ?? '';
    await migrateDatabase(this.databaseUrl);
  }

  #moveTo(url: string): void {
    this.databaseUrl = url;
    const { port = 4400, host = '127.0.0.1' } = this.#options;
    for (const each of this.#workers) each.changeEnvironment(this.#ofDatabase());
    for (const each of this.#servers) each.changeEnvironment({ ...this.#ofDatabase(), PORT: String(port), HOST: host });
  }

  #ofDatabase(): Readonly<Record<string, string>> {
    return this.#environment({ DATABASE_URL: this.databaseUrl });
  }

  /** Router and host are not told the database: they do not need it, and applications could inherit its password. */
  #environment(own: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const { DATABASE_URL: _, ...rest } = this.#options.environment ?? process.env;
    const given = Object.fromEntries(Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
    return { ...given, TIDEGATE_HOME: this.home, ...own };
  }

  #supervise(spec: Omit<ConstructorParameters<typeof SupervisedProcess>[0], 'logFile' | 'recordFile'>): SupervisedProcess {
    const { run, logs } = this.paths;
    const files = { logFile: join(logs, `${spec.name}.log`), recordFile: join(run, `${spec.name}.json`) };
    return new SupervisedProcess({ ...spec, ...files }, this.#tell);
  }

  readonly #tell = (event: ProcessEvent): void => this.#options.onEvent?.(event);
}

/** Waits for every one before it throws the first failure: whoever cleans up must not meet one that is still starting. */
async function allOrNothing<T>(started: readonly Promise<T>[]): Promise<readonly T[]> {
  const settled = await Promise.allSettled(started);
  const failed = settled.find((each) => each.status === 'rejected');
  if (failed) throw failed.reason;
  return settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

async function startServer(server: SupervisedProcess, port: number, host: string): Promise<ReadyLine> {
  try {
    return await server.start();
  } catch (error) {
    throw port !== 0 && (await isTaken(port, host)) ? portInUse(port, host, error) : error;
  }
}

function isTaken(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(false)));
  });
}

/** A new cluster takes 40 MB, its first hour of log up to 100; a database that cannot write stops everything. */
const newDatabaseBytes = 256_000_000;
const leastFreeBytes = 64_000_000;

async function prepareHome(home: string, paths: Paths): Promise<void> {
  try {
    // As root, PostgreSQL runs as another user and must be able to pass through.
    await mkdir(home, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    await mkdir(paths.run, { recursive: true, mode: 0o700 });
    await mkdir(paths.logs, { recursive: true, mode: 0o700 });
    const { bavail, bsize } = await statfs(home);
    const needed = (await exists(join(paths.postgres, 'data'))) ? leastFreeBytes : newDatabaseBytes;
    if (bavail * bsize < needed) throw diskFull(home, `${Math.floor((bavail * bsize) / 1e6)} MB free of ${needed / 1e6} MB needed`);
  } catch (error) {
    throw asHomeFault(home, error);
  }
}

function asHomeFault(home: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(home, 'none left', error);
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS' && code !== 'ENOTDIR') return error;
  return new Fault({
    code: 'home.not-writable',
    message: `expected to write in ${home}, got: ${(error as Error).message}`,
    remedy: 'set TIDEGATE_HOME to a folder of yours',
    cause: error,
  });
}

function diskFull(home: string, got: string, cause?: unknown): Fault {
  return new Fault({
    code: 'disk.full',
    status: 507,
    message: `expected room for data in ${home}, got ${got}`,
    remedy: 'free space on that disk, or set TIDEGATE_HOME to a folder on another one',
    cause,
  });
}

function portInUse(port: number, host: string, cause: unknown): Fault {
  return new Fault({
    code: 'port.in-use',
    message: `expected port ${port} on ${host} to be free, got another process listening on it`,
    remedy: 'stop that process, or choose another port: PORT=4401 npm start',
    cause,
  });
}
