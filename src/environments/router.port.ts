import type { Fence } from './target.port.ts';

/**
 * The traffic router in front of an environment. It outlives the control plane, keeps its state on disk and serves on
 * while server, worker and database are away. One route per lane (`application/environment`).
 */
export interface RouteArm {
  /** The deployment's id: the label on every count. */
  readonly deployment: string;
  readonly version: string;
  readonly upstream: string;
  /** Share of users in percent, 0 to 100; the weights of a route add up to 100. An arm of weight 0 stays warm. */
  readonly weight: number;
}

export interface Route {
  /** `application/environment`. */
  readonly lane: string;
  /** Where users come in, on 127.0.0.1 unless the environment says otherwise. */
  readonly port: number;
  readonly arms: readonly RouteArm[];
}

export interface RouteStatus extends Route {
  /** Rises by one each time arms or weights change: counts of one generation share one set of weights. */
  readonly generation: number;
  readonly inFlight: Readonly<Record<string, number>>;
  /** What the router itself could not serve (no healthy upstream, connection refused on every try). */
  readonly failedByRouter: number;
}

export interface ArmCounts {
  readonly requests: number;
  /** Responses of 500 and above, and connections the upstream broke. */
  readonly errors: number;
  /** Distinct users that were answered in this batch. */
  readonly users: number;
  /** First failures: users that failed now and had not failed within the last 60 s on this arm. */
  readonly failedUsers: number;
  /** Milliseconds; at most 1,000 a batch and arm, a uniform sample beyond that. */
  readonly latenciesMs: readonly number[];
}

export interface CountBatch {
  /** Rises without gap within one `epoch`. */
  readonly sequence: number;
  /** Unix second this batch is of. A second is split when the generation changes in it. */
  readonly second: number;
  readonly generation: number;
  /** The weights in force, by deployment id. */
  readonly weights: Readonly<Record<string, number>>;
  /** By deployment id. */
  readonly arms: Readonly<Record<string, ArmCounts>>;
}

/** Where a reader stands. A new epoch begins when the router restarts; counts of the broken second are lost. */
export interface CountCursor {
  readonly epoch: string;
  readonly sequence: number;
}

export interface CountPage {
  readonly cursor: CountCursor;
  /** Closed batches only (their second is over or their generation has ended), oldest first, at most 600. */
  readonly batches: readonly CountBatch[];
}

export interface TrafficRouter {
  /** Idempotent: declares the whole route; what is equal changes nothing. Answers when the new weights are in force. */
  setRoute(route: Route, fence: Fence): Promise<RouteStatus>;
  findRoute(lane: string): Promise<RouteStatus | undefined>;
  listRoutes(): Promise<readonly RouteStatus[]>;
  /** Idempotent. In-flight requests are finished. */
  removeRoute(lane: string, fence: Fence): Promise<void>;
  /** Reads only. Without a cursor (or with one of another epoch): what is kept, the last ten minutes at most. */
  readCounts(lane: string, after?: CountCursor): Promise<CountPage>;
}
