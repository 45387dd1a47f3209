import type { CountCursor, CountPage, Route, RouteStatus, TrafficRouter } from '../../environments/router.port.ts';
import type { Fence } from '../../environments/target.port.ts';
import { Fault } from '../../platform/fault.ts';
import { requireFence, requireFenceOf } from '../../platform/fence.ts';
import { loadStateFile, saveStateFile } from '../../platform/state-file.ts';
import { Front, type FrontOptions } from './front.ts';
import { Lane } from './lane.ts';
import { hasEqualArms } from './route.ts';

export interface EmbeddedRouterOptions extends FrontOptions {
  readonly stateFile: string;
  /** How long an upstream may take to its first byte. */
  readonly headTimeoutMs: number;
  readonly onTrouble: (error: unknown) => void;
}

/** What outlives the process. A removed lane keeps its fence and generation: neither may ever fall back. */
interface SavedLane {
  readonly lane: string;
  readonly fence: number;
  readonly generation: number;
  readonly route?: Route;
}

interface Serving {
  readonly lane: Lane;
  readonly front: Front;
}

const sweepEveryMs = 500;
const removeGraceMs = 60_000;

/** The router of one home. Changes are made one after the other, and answered when they are in force and on disk. */
export class EmbeddedRouter implements TrafficRouter {
  readonly #options: EmbeddedRouterOptions;
  readonly #saved = new Map<string, SavedLane>();
  readonly #serving = new Map<string, Serving>();
  /** Fronts that left a route and finish what they have. */
  readonly #closing = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #last: Promise<unknown> = Promise.resolve();
  #isStopping = false;

  constructor(options: EmbeddedRouterOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sweep(), sweepEveryMs);
  }

  /** Takes up routes, weights, generations and fences as they were. A port that is taken is tried again in the background. */
  async restore(): Promise<void> {
    const state = (await loadStateFile(this.#options.stateFile)) as { readonly lanes: readonly SavedLane[] } | undefined;
    for (const saved of state?.lanes ?? []) {
      this.#saved.set(saved.lane, saved);
      if (saved.route) await this.#restoreLane(saved.route, saved.generation);
    }
  }

  setRoute(route: Route, fence: Fence): Promise<RouteStatus> {
    return this.#inTurn(() => this.#setRoute(route, fence));
  }

  findRoute(lane: string): Promise<RouteStatus | undefined> {
    return Promise.resolve(this.#serving.get(lane)?.lane.status());
  }

  listRoutes(): Promise<readonly RouteStatus[]> {
    return Promise.resolve([...this.#serving.values()].map(({ lane }) => lane.status()));
  }

  removeRoute(lane: string, fence: Fence): Promise<void> {
    return this.#inTurn(() => this.#removeRoute(lane, fence));
  }

  readCounts(lane: string, after?: CountCursor): Promise<CountPage> {
    const serving = this.#serving.get(lane);
    if (serving) return Promise.resolve(serving.lane.readCounts(after));
    return Promise.reject(new Fault({ code: 'router.no-route', status: 404, message: `expected a route of ${lane}, got none` }));
  }

  /** Takes no new users; requests in flight are finished within `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    await this.#last;
    await Promise.all([...[...this.#serving.values()].map(({ front }) => front.close(graceMs)), ...this.#closing]);
    clearInterval(this.#timer);
    for (const { lane } of this.#serving.values()) lane.destroy();
  }

  async #setRoute(route: Route, fence: Fence): Promise<RouteStatus> {
    const before = this.#checkFence(route.lane, fence);
    const known = this.#serving.get(route.lane);
    this.#requireFreePort(route);
    const isEqual = known !== undefined && before?.route !== undefined && hasEqualArms(before.route, route);
    const generation = isEqual ? before.generation : (before?.generation ?? 0) + 1;
    if (known && known.lane.route.port === route.port && !known.front.isListening) await known.front.listen(route.port);
    if (isEqual && known.lane.route.port === route.port) {
      if (fence.token !== before.fence) await this.#save({ ...before, fence: fence.token });
      return known.lane.status();
    }
    if (known && known.lane.route.port === route.port) {
      // In force before it is on disk: taking users off a bad version must not wait for a busy disk. A kill in between brings
      // the weights before back, as if the call had not come; its caller got no answer and makes it again.
      known.lane.change(route, generation);
      await this.#save({ lane: route.lane, fence: fence.token, generation, route });
      return known.lane.status();
    }
    return this.#openRoute(route, generation, fence);
  }

  async #openRoute(route: Route, generation: number, fence: Fence): Promise<RouteStatus> {
    const known = this.#serving.get(route.lane);
    const lane = known?.lane ?? new Lane(route, generation, this.#options.headTimeoutMs);
    const front = new Front(lane, this.#options);
    await front.listen(route.port);
    await this.#save({ lane: route.lane, fence: fence.token, generation, route });
    if (known) {
      if (generation === lane.current.generation) lane.route = route;
      else lane.change(route, generation);
      this.#close(known.front);
    }
    this.#serving.set(route.lane, { lane, front });
    return lane.status();
  }

  async #removeRoute(name: string, fence: Fence): Promise<void> {
    const before = this.#checkFence(name, fence);
    const serving = this.#serving.get(name);
    if (!serving && before?.fence === fence.token) return;
    await this.#save({ lane: name, fence: fence.token, generation: before?.generation ?? 0 });
    if (!serving) return;
    this.#serving.delete(name);
    this.#close(serving.front, serving.lane);
  }

  #close(front: Front, lane?: Lane): void {
    const closing = front.close(removeGraceMs).then(() => lane?.retire());
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }

  #checkFence(lane: string, fence: Fence): SavedLane | undefined {
    if (this.#isStopping)
      throw new Fault({
        code: 'router.stopping',
        status: 503,
        message: 'expected a router that serves, got one that stops',
        retryable: true,
      });
    requireFenceOf(lane, fence.lane);
    const saved = this.#saved.get(lane);
    requireFence(lane, saved?.fence ?? 0, fence.token);
    return saved;
  }

  #requireFreePort(route: Route): void {
    for (const { lane } of this.#serving.values()) {
      if (lane.route.port !== route.port || lane.route.lane === route.lane) continue;
      throw new Fault({
        code: 'router.port-in-use',
        status: 409,
        message: `expected port ${route.port} to be free, got one that ${lane.route.lane} uses`,
        remedy: 'Give each environment a port of its own.',
      });
    }
  }

  async #restoreLane(route: Route, generation: number): Promise<void> {
    const lane = new Lane(route, generation, this.#options.headTimeoutMs);
    const front = new Front(lane, this.#options);
    this.#serving.set(route.lane, { lane, front });
    await front.listen(route.port).catch((error: unknown) => {
      this.#options.onTrouble(error);
      this.#listenLater(front, route);
    });
  }

  #listenLater(front: Front, route: Route): void {
    setTimeout(() => {
      if (this.#isStopping || front.isListening || this.#serving.get(route.lane)?.front !== front) return;
      front.listen(route.port).catch(() => this.#listenLater(front, route));
    }, 250).unref();
  }

  async #save(lane: SavedLane): Promise<void> {
    const lanes = new Map(this.#saved).set(lane.lane, lane);
    await saveStateFile(this.#options.stateFile, { format: 1, lanes: [...lanes.values()] });
    this.#saved.set(lane.lane, lane);
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #sweep(): void {
    const now = performance.now();
    for (const { lane, front } of this.#serving.values()) {
      lane.sweep(now);
      front.sweep(now);
    }
  }
}
