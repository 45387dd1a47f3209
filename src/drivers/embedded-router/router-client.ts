import type { CountPage, RouteStatus, TrafficRouter } from '../../environments/router.port.ts';
import { connectControlSocket } from '../../platform/control-socket/client.ts';

export interface RouterConnection extends TrafficRouter {
  /** CPU microseconds of the router's process since its start, and its memory: what the benchmark compares. */
  usage(): Promise<{ readonly pid: number; readonly user: number; readonly system: number; readonly rssBytes: number }>;
  /** Lets go of the socket. The router serves on. */
  close(): void;
}

/**
 * The embedded router behind `TIDEGATE_HOME/run/router.sock`. A router that is away or slow is a retryable Fault
 * (`router.unreachable` 503, `router.timeout` 504): it comes back with the routes it had.
 * @param options.timeoutMs for one call; default 10,000
 */
export function connectRouter(socketPath: string, options: { readonly timeoutMs?: number } = {}): RouterConnection {
  const control = connectControlSocket({ path: socketPath, processName: 'router', ...options });
  return {
    setRoute: async (route, fence) => (await control.call('setRoute', { route, fence })) as RouteStatus,
    findRoute: async (lane) => ((await control.call('findRoute', { lane })) as RouteStatus | null) ?? undefined,
    listRoutes: async () => (await control.call('listRoutes', {})) as readonly RouteStatus[],
    removeRoute: async (lane, fence) => void (await control.call('removeRoute', { lane, fence })),
    readCounts: async (lane, after) => (await control.call('readCounts', after ? { lane, after } : { lane })) as CountPage,
    usage: async () => (await control.call('usage', {})) as Awaited<ReturnType<RouterConnection['usage']>>,
    close: () => control.close(),
  };
}
