import type { CountBatch, Route, RouteArm, TrafficRouter } from './router.port.ts';
import { eachOf, freePort, startUpstream, TestClient, until, type TestUpstream } from './upstream.contract.ts';

export interface RouterUnderTest {
  readonly router: TrafficRouter;
  /** Ends the router at once (kill -9) and starts it again on the same home. */
  crash(): Promise<void>;
  close(): Promise<void>;
}

export const users = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);

/** A router under test between real users and two real applications. */
export class RouterSetting {
  readonly client = new TestClient();
  #made: RouterUnderTest | undefined;
  #upstreams: readonly TestUpstream[] = [];
  #lanes = 0;

  async open(make: () => Promise<RouterUnderTest>): Promise<void> {
    this.#made = await make();
    this.#upstreams = await Promise.all([startUpstream('1.0.0'), startUpstream('1.1.0')]);
  }

  async close(): Promise<void> {
    this.client.close();
    await this.#made?.close();
    await Promise.all(this.#upstreams.map((upstream) => upstream.close()));
  }

  get router(): TrafficRouter {
    return present(this.#made).router;
  }

  get stable(): TestUpstream {
    return present(this.#upstreams[0]);
  }

  get canary(): TestUpstream {
    return present(this.#upstreams[1]);
  }

  crash(): Promise<void> {
    return present(this.#made).crash();
  }

  /** A lane of its own per test, with a route of stable and canary that can be changed. */
  async newLane() {
    const lane = `shop/test-${this.#lanes++}`;
    const port = await freePort();
    let token = 1;
    const { router, client, stable, canary } = this;
    return {
      lane,
      port,
      fence: (of = token) => ({ lane, token: of }),
      route: (share: number): Route => ({ lane, port, arms: [arm(`${lane}-s`, stable, 100 - share), arm(`${lane}-c`, canary, share)] }),
      split(share: number) {
        return router.setRoute(this.route(share), { lane, token: token++ });
      },
      set(...arms: readonly RouteArm[]) {
        return router.setRoute({ lane, port, arms }, { lane, token: token++ });
      },
      get: (path: string, user?: string) => client.send({ port, path, user }),
      versions: (of: readonly string[]) => eachOf(of, 32, async (user) => (await client.send({ port, path: '/ok', user })).version),
      async allCounts(isComplete: (batches: readonly CountBatch[]) => boolean) {
        return until('complete counts', async () => {
          const { batches } = await router.readCounts(lane);
          return isComplete(batches) && batches;
        });
      },
    };
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('expected the setting to be open, got none');
  return value;
}

export function arm(deployment: string, upstream: TestUpstream, weight: number): RouteArm {
  return { deployment, version: upstream.version, upstream: upstream.url, weight };
}

export function total(batches: readonly CountBatch[], deployment: string, field: 'requests' | 'errors' | 'failedUsers'): number {
  return batches.reduce((sum, batch) => sum + (batch.arms[deployment]?.[field] ?? 0), 0);
}
