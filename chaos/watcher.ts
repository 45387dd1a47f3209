import { setTimeout as sleep } from 'node:timers/promises';
import { startTraffic, type TrafficResult } from '../demo/load.ts';
import { connectRouter } from '../src/drivers/embedded-router/router-client.ts';
import { connectHost } from '../src/drivers/process-host/host-client.ts';
import type { Instance } from '../src/environments/target.port.ts';
import type { RouteStatus } from '../src/environments/router.port.ts';
import type { ChaosApplication } from './configuration.ts';
import type { FinalState, Sample, SeenInstance, SeenRoute, UserRequest } from './evidence.ts';
import { patiently } from './patience.ts';
import type { Stage } from './stage.ts';

export interface Watcher {
  readonly samples: readonly Sample[];
  /** Router and host as they are now, however long it takes until both answer. */
  look(): Promise<Pick<FinalState, 'instances' | 'routes'>>;
  stop(): Promise<void>;
}

const lookEveryMs = 200;

/** Looks at host and router all the time; one that is away is not waited for. */
export function watch({ platform }: Stage): Watcher {
  const host = connectHost(platform.paths.hostSocket, {
    archivePathOf: () => Promise.reject(new Error('the watcher starts nothing')),
    timeoutMs: 2_000,
  });
  const router = connectRouter(platform.paths.routerSocket, { timeoutMs: 2_000 });
  const samples: Sample[] = [];
  const stopped = new AbortController();
  const looking = (async () => {
    while (!stopped.signal.aborted) {
      const startedAt = performance.now();
      const instances = await host.listInstances().catch(() => undefined);
      const routes = await router.listRoutes().catch(() => undefined);
      const apartMs = performance.now() - startedAt;
      samples.push({
        at: Date.now(),
        apartMs,
        ...(instances && { instances: instances.map(toInstance) }),
        ...(routes && { routes: routes.map(toRoute) }),
      });
      await sleep(lookEveryMs);
    }
  })();
  return {
    samples,
    look: async () => ({
      instances: (await patiently(() => host.listInstances())).map(toInstance),
      routes: (await patiently(() => router.listRoutes())).map(toRoute),
    }),
    async stop() {
      stopped.abort();
      await looking;
      host.close();
      router.close();
    },
  };
}

function toInstance({ name, state, artifactDigest, restarts }: Instance): SeenInstance {
  return { name, state, artifact: artifactDigest, restarts };
}

function toRoute({ lane, arms }: RouteStatus): SeenRoute {
  return { lane, arms: arms.map(({ deployment, weight }) => ({ deployment, weight })) };
}

export interface Users {
  readonly requests: readonly UserRequest[];
  stop(): Promise<void>;
}

const paths = [
  '/',
  '/products',
  '/products/kettle',
  { method: 'POST', path: '/checkout', body: '{"items":[{"product":"kettle","quantity":1}]}' },
] as const;

/** Steady users of one application's production, from the moment its first version serves. */
export function sendUsers(
  { name, ports }: ChaosApplication,
  { ratePerSecond, seed }: { readonly ratePerSecond: number; readonly seed: number },
): Users {
  const requests: UserRequest[] = [];
  const lane = `${name}/production`;
  const onResult = (result: TrafficResult): void => {
    const to = result.at.getTime();
    const detail = result.connectionError ?? (result.status === undefined ? undefined : String(result.status));
    requests.push({ lane, from: to - result.latencyMs, to, outcome: outcomeOf(result), ...(detail === undefined ? {} : { detail }) });
  };
  const url = `http://127.0.0.1:${ports.production}`;
  const traffic = startTraffic({ url, ratePerSecond, users: 5_000, paths: [...paths], seed, onResult });
  return { requests, stop: async () => void (await traffic.stop()) };
}

function outcomeOf({ connectionError, refusedByRouter, version }: TrafficResult): UserRequest['outcome'] {
  if (connectionError !== undefined) return 'connection';
  if (refusedByRouter) return 'router';
  return version === undefined ? 'unlabelled' : 'version';
}
