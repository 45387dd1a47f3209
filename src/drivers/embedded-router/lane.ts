import { randomUUID } from 'node:crypto';
import type { Route, RouteStatus } from '../../environments/router.port.ts';
import { LaneCounts, type CountGeneration, type Outcome } from './counts.ts';
import { armSeed, type PickArm } from './pick.ts';
import { Upstream } from './upstream.ts';

export interface Arm extends PickArm {
  readonly deployment: string;
  readonly version: string;
  readonly upstream: Upstream;
}

/** Arms and weights that are in force together: a request keeps the generation it was picked under to its end. */
export interface Generation extends CountGeneration {
  readonly arms: readonly Arm[];
}

/** One route while it serves. */
export class Lane {
  route: Route;
  current: Generation;
  failedByRouter = 0;
  readonly #counts: LaneCounts;
  readonly #upstreams = new Map<string, { readonly url: string; readonly upstream: Upstream }>();
  /** Upstreams that left the route with requests in flight, by deployment. */
  readonly #leaving = new Set<{ readonly deployment: string; readonly upstream: Upstream }>();
  readonly #headTimeoutMs: number;

  constructor(route: Route, generation: number, headTimeoutMs: number) {
    this.#headTimeoutMs = headTimeoutMs;
    this.#counts = new LaneCounts(randomUUID(), Date.now());
    this.route = route;
    this.current = this.#generation(route, generation);
  }

  change(route: Route, generation: number): void {
    this.#counts.advance(this.current, Date.now());
    this.route = route;
    this.current = this.#generation(route, generation);
    const staying = new Set(route.arms.map((arm) => arm.deployment));
    for (const [deployment, { upstream }] of this.#upstreams) {
      if (staying.has(deployment)) continue;
      this.#retire(deployment, upstream);
      this.#upstreams.delete(deployment);
      this.#counts.forget(deployment);
    }
  }

  record(generation: CountGeneration, outcome: Outcome): void {
    const now = Date.now();
    this.#counts.advance(this.current, now);
    this.#counts.record(generation, outcome, now);
  }

  readCounts(...after: Parameters<LaneCounts['read']>): ReturnType<LaneCounts['read']> {
    this.#counts.advance(this.current, Date.now());
    return this.#counts.read(...after);
  }

  sweep(now: number): void {
    this.#counts.advance(this.current, Date.now());
    for (const { upstream } of this.#upstreams.values()) upstream.sweep(now);
    for (const leaving of this.#leaving) {
      leaving.upstream.sweep(now);
      if (leaving.upstream.inFlight === 0) this.#leaving.delete(leaving);
    }
  }

  status(): RouteStatus {
    const inFlight: Record<string, number> = {};
    for (const arm of this.current.arms) inFlight[arm.deployment] = arm.upstream.inFlight;
    for (const { deployment, upstream } of this.#leaving) {
      if (upstream.inFlight > 0) inFlight[deployment] = (inFlight[deployment] ?? 0) + upstream.inFlight;
    }
    return { ...this.route, generation: this.current.generation, inFlight, failedByRouter: this.failedByRouter };
  }

  get inFlight(): number {
    return Object.values(this.status().inFlight).reduce((sum, count) => sum + count, 0);
  }

  /** No new requests come; what is in flight is finished. */
  retire(): void {
    for (const [deployment, { upstream }] of this.#upstreams) this.#retire(deployment, upstream);
    this.#upstreams.clear();
  }

  destroy(): void {
    for (const { upstream } of [...this.#upstreams.values(), ...this.#leaving]) upstream.destroy();
  }

  #generation(route: Route, generation: number): Generation {
    const arms = route.arms.map((arm) => ({
      deployment: arm.deployment,
      version: arm.version,
      weight: arm.weight,
      seed: armSeed(route.lane, arm.deployment),
      upstream: this.#upstream(arm.deployment, arm.upstream),
    }));
    return { generation, arms, weights: Object.fromEntries(route.arms.map((arm) => [arm.deployment, arm.weight])) };
  }

  #upstream(deployment: string, url: string): Upstream {
    const known = this.#upstreams.get(deployment);
    if (known?.url === url) return known.upstream;
    if (known) this.#retire(deployment, known.upstream);
    const upstream = new Upstream(new URL(url), this.#headTimeoutMs);
    this.#upstreams.set(deployment, { url, upstream });
    return upstream;
  }

  #retire(deployment: string, upstream: Upstream): void {
    upstream.retire();
    if (upstream.inFlight > 0) this.#leaving.add({ deployment, upstream });
  }
}
