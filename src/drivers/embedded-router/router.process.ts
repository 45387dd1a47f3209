/**
 * The embedded traffic router as a process of its own. Environment: TIDEGATE_HOME (where its socket and state are),
 * TIDEGATE_ROUTER_BIND (127.0.0.1), TIDEGATE_USER_HEADER (x-user-id), TIDEGATE_USER_COOKIE (tg_user),
 * TIDEGATE_ROUTER_MAX_BODY (bytes, 64 MiB), TIDEGATE_ROUTER_HEAD_TIMEOUT_MS (30,000), TIDEGATE_ROUTER_TRUST_FORWARDED (0).
 */
import { resolve } from 'node:path';
import { parseInput } from '../../platform/control-socket/parse-input.ts';
import { serveControlSocket, type ControlHandlers } from '../../platform/control-socket/server.ts';
import { EmbeddedRouter } from './embedded-router.ts';
import { defaultIdentity } from './identity.ts';
import { inputs } from './route.ts';
import type { StartedProcess } from '../../platform/processes/main.ts';
import { runProcess } from '../../platform/processes/main.ts';

const drainMs = 30_000;

function log(event: string, detail: Readonly<Record<string, unknown>> = {}): void {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), process: 'router', event, ...detail })}\n`);
}

function logTrouble(error: unknown): void {
  log('trouble', { message: error instanceof Error ? error.message : String(error) });
}

function handlersOf(router: EmbeddedRouter): ControlHandlers {
  return {
    setRoute: async (input) => {
      const { route, fence } = parseInput('router', inputs.setRoute, input);
      return router.setRoute(route, fence);
    },
    findRoute: async (input) => router.findRoute(parseInput('router', inputs.findRoute, input).lane),
    listRoutes: () => router.listRoutes(),
    removeRoute: async (input) => {
      const { lane, fence } = parseInput('router', inputs.removeRoute, input);
      return router.removeRoute(lane, fence);
    },
    readCounts: async (input) => {
      const { lane, after } = parseInput('router', inputs.readCounts, input);
      return router.readCounts(lane, after);
    },
    usage: () => Promise.resolve({ pid: process.pid, ...process.cpuUsage(), rssBytes: process.memoryUsage.rss() }),
  };
}

async function start(): Promise<StartedProcess> {
  const { env } = process;
  const home = resolve(env.TIDEGATE_HOME ?? '.tidegate');
  const socket = `${home}/run/router.sock`;
  const router = new EmbeddedRouter({
    stateFile: `${home}/router/state.json`,
    host: env.TIDEGATE_ROUTER_BIND ?? '127.0.0.1',
    identity: {
      header: (env.TIDEGATE_USER_HEADER ?? defaultIdentity.header).toLowerCase(),
      cookie: env.TIDEGATE_USER_COOKIE ?? defaultIdentity.cookie,
    },
    maxBodyBytes: Number(env.TIDEGATE_ROUTER_MAX_BODY ?? 64 * 1_048_576),
    headTimeoutMs: Number(env.TIDEGATE_ROUTER_HEAD_TIMEOUT_MS ?? 30_000),
    trustForwarded: env.TIDEGATE_ROUTER_TRUST_FORWARDED === '1',
    onTrouble: logTrouble,
  });
  // The socket is the lock of the home: only its holder may touch the state file and the users' ports.
  const restored = Promise.withResolvers<void>();
  const handlers = Object.entries(handlersOf(router)).map(([name, handler]) => [
    name,
    (input: unknown) => restored.promise.then(() => handler(input)),
  ]);
  const control = await serveControlSocket({
    path: socket,
    processName: 'router',
    handlers: Object.fromEntries(handlers) as ControlHandlers,
    onDefect: logTrouble,
  });
  await router.restore();
  restored.resolve();
  const routes = await router.listRoutes();
  return {
    ready: { socket, lanes: routes.map((route) => route.lane) },
    stop: async () => {
      log('stopping');
      await router.stop(drainMs);
      await control.close();
    },
  };
}

// What nobody awaited is a defect to be told, not a reason to stop serving users.
process.on('unhandledRejection', logTrouble);
await runProcess('router', start);
