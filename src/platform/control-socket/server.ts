import { createHash } from 'node:crypto';
import { mkdir, realpath, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, createServer as createNetServer, type Server as NetServer } from 'node:net';
import { dirname } from 'node:path';
import { Fault } from '../fault.ts';
import { faultToWire } from './fault-wire.ts';

export type ControlHandlers = Readonly<Record<string, (input: unknown) => Promise<unknown>>>;

export interface ControlSocketOptions {
  /** File of the unix socket. Its folder is made with mode 0700, the socket has mode 0600: the owner alone may connect. */
  readonly path: string;
  /** What the refusal calls the process: `router`, `host`. */
  readonly processName: string;
  readonly handlers: ControlHandlers;
  /** @default 1 MiB */
  readonly maxBodyBytes?: number;
  readonly onDefect?: (error: unknown) => void;
}

export interface ControlSocket {
  /** Stops answering and removes the socket file. */
  close(): Promise<void>;
}

/** A path longer than this is cut silently by the kernel (sun_path, 108 bytes with its end). */
const longestSocketPath = 107;

/**
 * Serves `POST /<method>` with JSON in and out on a unix socket. One process per path: a second one is refused with
 * Fault `control.already-running` (409); a socket file nobody answers on (left by kill -9) is replaced.
 */
export async function serveControlSocket(options: ControlSocketOptions): Promise<ControlSocket> {
  if (Buffer.byteLength(options.path) > longestSocketPath) {
    throw new Fault({
      code: 'control.path-too-long',
      status: 422,
      message: `expected a socket path of at most ${longestSocketPath} bytes, got ${Buffer.byteLength(options.path)}: ${options.path}`,
      remedy: 'Set TIDEGATE_HOME to a folder with a shorter path.',
    });
  }
  await mkdir(dirname(options.path), { recursive: true, mode: 0o700 });
  const lock = await lockPath(options);
  try {
    await removeStaleSocket(options);
    const server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => void answer(options, request, response));
    await listenPrivately(server, options.path);
    return { close: () => closeAll(server, lock) };
  } catch (error) {
    lock?.close();
    throw error;
  }
}

/**
 * An abstract socket (Linux) as lock: the kernel frees it when the process dies, so it is never stale, and two processes
 * that start at the same instant cannot both replace the socket file. Elsewhere only the answering socket protects.
 */
async function lockPath(options: ControlSocketOptions): Promise<NetServer | undefined> {
  if (process.platform !== 'linux') return undefined;
  const folder = await realpath(dirname(options.path));
  const name = createHash('sha256')
    .update(`${folder}\0${options.path.slice(dirname(options.path).length)}`)
    .digest('hex')
    .slice(0, 32);
  const lock = createNetServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    lock.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE' ? alreadyRunning(options) : error));
    lock.listen(`\0tidegate-${name}`, resolve);
  });
  lock.unref();
  return lock;
}

function alreadyRunning(options: ControlSocketOptions): Fault {
  return new Fault({
    code: 'control.already-running',
    status: 409,
    message: `expected no other ${options.processName} on this home, got one that answers on ${options.path}`,
    remedy: `Use the ${options.processName} that runs, or stop it, or set TIDEGATE_HOME to another folder.`,
  });
}

async function removeStaleSocket(options: ControlSocketOptions): Promise<void> {
  const outcome = await new Promise<string>((resolve) => {
    const probe = connect(options.path);
    probe.once('connect', () => {
      probe.destroy();
      resolve('answers');
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
  });
  if (outcome === 'answers') throw alreadyRunning(options);
  if (outcome !== 'ENOENT') await unlink(options.path);
}

async function listenPrivately(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // listen() binds a path synchronously, so the mask covers exactly the making of the file.
    const before = process.umask(0o177);
    server.listen(path, resolve);
    process.umask(before);
  });
}

async function closeAll(server: Server, lock: NetServer | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 1_000).unref();
  });
  lock?.close();
}

async function answer(options: ControlSocketOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const name = (request.url ?? '/').slice(1);
    const handler = Object.hasOwn(options.handlers, name) ? options.handlers[name] : undefined;
    if (request.method !== 'POST' || !handler) {
      throw new Fault({
        code: 'control.unknown-method',
        status: 404,
        message: `expected POST to one of ${Object.keys(options.handlers).join(', ')}`,
      });
    }
    const input = parseInput(await readBody(request, options.maxBodyBytes ?? 1_048_576));
    send(response, 200, (await handler(input)) ?? null);
  } catch (error) {
    if (!(error instanceof Fault)) options.onDefect?.(error);
    const wire = faultToWire(error);
    send(response, wire.status, wire);
  }
}

async function readBody(request: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit)
      throw new Fault({ code: 'control.body-too-large', status: 413, message: `expected at most ${limit} bytes, got more` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseInput(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch (cause) {
    throw new Fault({ code: 'control.bad-json', status: 400, message: 'expected a JSON document as body, got something else', cause });
  }
}

function send(response: ServerResponse, status: number, value: unknown): void {
  if (response.destroyed || response.headersSent) return;
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, ['content-type', 'application/json', 'content-length', String(body.length)]);
  response.end(body);
}
