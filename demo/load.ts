import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { build, type Histogram } from 'hdr-histogram-js';

/** A path for GET, or a whole request. */
export type TrafficPath = string | { readonly method: string; readonly path: string; readonly body?: string };

export interface TrafficOptions {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly ratePerSecond: number;
  /** Distinct users, `user-0` to `user-N`; each request is of one drawn evenly. */
  readonly users: number;
  readonly paths: readonly TrafficPath[];
  readonly onResult?: (result: TrafficResult) => void;
  /** Header that carries the user. @default x-user-id */
  readonly userHeader?: string;
  /** @default 10,000 */
  readonly timeoutMs?: number;
  /** Same seed, same users and paths. @default 1 */
  readonly seed?: number;
}

export interface TrafficResult {
  readonly user: string;
  readonly path: string;
  /** From `x-tidegate-version`; undefined when nothing answered. */
  readonly version: string | undefined;
  /** Undefined when the connection failed. */
  readonly status: number | undefined;
  /** Why the connection failed: ECONNREFUSED, ECONNRESET, TIMEOUT, … */
  readonly connectionError: string | undefined;
  /** The router answered itself (`x-tidegate-router`): no version did. */
  readonly refusedByRouter: boolean;
  /** From the instant the request was due, not from the one it was sent: a stalled server cannot hide its stall. */
  readonly latencyMs: number;
  readonly at: Date;
}

export interface VersionSummary {
  readonly requests: number;
  /** Answers of 500 and above. */
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface TrafficSummary {
  readonly sent: number;
  readonly answered: number;
  readonly inFlight: number;
  readonly seconds: number;
  readonly byVersion: Readonly<Record<string, VersionSummary>>;
  /** Answers of 500 and above, of all versions and of the router itself. */
  readonly httpErrors: number;
  /** Answers of 502, 503 and 504 that the router gave itself (`x-tidegate-router`). */
  readonly refusedByRouter: number;
  /** Requests without an answer, by cause. */
  readonly connectionErrors: Readonly<Record<string, number>>;
  readonly connectionErrorCount: number;
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };
  /** The first 50 results that failed. */
  readonly failures: readonly TrafficResult[];
}

export interface Traffic {
  /** Sends no more, waits for what is in flight. */
  stop(): Promise<TrafficSummary>;
  snapshot(): TrafficSummary;
}

const tickMs = 5;
const keptFailures = 50;

interface Tally {
  requests: number;
  errors: number;
  readonly latency: Histogram;
}

/**
 * Steady user traffic, open loop: requests are sent when they are due, whether or not earlier ones were answered. A
 * closed loop waits for the server and so measures a stall once instead of once per user it met.
 */
export function startTraffic(options: TrafficOptions): Traffic {
  return new OpenLoop(options);
}

class OpenLoop implements Traffic {
  readonly #options: Required<Omit<TrafficOptions, 'onResult'>> & Pick<TrafficOptions, 'onResult'>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 1_024, scheduling: 'lifo' });
  readonly #host: string;
  readonly #port: number;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #all = histogram();
  readonly #byVersion = new Map<string, Tally>();
  readonly #connectionErrors = new Map<string, number>();
  readonly #failures: TrafficResult[] = [];
  #sent = 0;
  #answered = 0;
  #httpErrors = 0;
  #refused = 0;
  #stoppedAt: number | undefined;
  #onIdle: (() => void) | undefined;
  #random: number;

  constructor(options: TrafficOptions) {
    this.#options = { userHeader: 'x-user-id', timeoutMs: 10_000, seed: 1, ...options };
    const url = new URL(options.url);
    this.#host = url.hostname;
    this.#port = Number(url.port === '' ? 80 : url.port);
    this.#random = (this.#options.seed * 0x9e3779b9) | 1;
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  async stop(): Promise<TrafficSummary> {
    clearInterval(this.#timer);
    this.#stoppedAt ??= performance.now();
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#agent.destroy();
    return this.snapshot();
  }

  snapshot(): TrafficSummary {
    const percentile = (p: number): number => this.#all.getValueAtPercentile(p) / 1_000;
    const connectionErrors = Object.fromEntries(this.#connectionErrors);
    return {
      sent: this.#sent,
      answered: this.#answered,
      inFlight: this.#inFlight,
      seconds: ((this.#stoppedAt ?? performance.now()) - this.#startedAt) / 1_000,
      byVersion: Object.fromEntries([...this.#byVersion].map(([version, tally]) => [version, summaryOf(tally)])),
      httpErrors: this.#httpErrors,
      refusedByRouter: this.#refused,
      connectionErrors,
      connectionErrorCount: this.#connectionErrorCount,
      latencyMs: { p50: percentile(50), p90: percentile(90), p99: percentile(99), max: this.#all.maxValue / 1_000 },
      failures: this.#failures,
    };
  }

  get #connectionErrorCount(): number {
    return [...this.#connectionErrors.values()].reduce((sum, count) => sum + count, 0);
  }

  get #inFlight(): number {
    return this.#sent - this.#answered - this.#connectionErrorCount;
  }

  #tick(): void {
    const { ratePerSecond } = this.#options;
    const now = performance.now();
    const due = Math.floor(((now - this.#startedAt) * ratePerSecond) / 1_000);
    while (this.#sent < due) {
      const dueAt = this.#startedAt + (this.#sent * 1_000) / ratePerSecond;
      this.#sent++;
      this.#send(dueAt);
    }
  }

  #send(dueAt: number): void {
    const { paths, users, userHeader, timeoutMs } = this.#options;
    const chosen = paths[this.#below(paths.length)] ?? '/';
    const user = `user-${this.#below(users)}`;
    const { method, path, body } =
      typeof chosen === 'string' ? { method: 'GET', path: chosen, body: undefined } : { body: undefined, ...chosen };
    const headers: Record<string, string | number> = { [userHeader]: user };
    if (body !== undefined) headers['content-length'] = Buffer.byteLength(body);
    let isOver = false;
    const over = (response: IncomingMessage | undefined, connectionError: string | undefined): void => {
      if (isOver) return;
      isOver = true;
      this.#note({ user, path, dueAt, response, connectionError });
    };
    const request = httpRequest({ agent: this.#agent, host: this.#host, port: this.#port, method, path, headers, timeout: timeoutMs });
    request.on('response', (response) => {
      response.on('end', () => over(response, undefined));
      response.on('error', (error: NodeJS.ErrnoException) => over(undefined, error.code ?? 'BROKEN'));
      response.resume();
    });
    request.on('timeout', () => {
      over(undefined, 'TIMEOUT');
      request.destroy();
    });
    request.on('error', (error: NodeJS.ErrnoException) => over(undefined, error.code ?? error.message));
    request.end(body);
  }

  #note(of: {
    user: string;
    path: string;
    dueAt: number;
    response: IncomingMessage | undefined;
    connectionError: string | undefined;
  }): void {
    const { response, connectionError } = of;
    const latencyMs = performance.now() - of.dueAt;
    const header = response?.headers['x-tidegate-version'];
    const version = typeof header === 'string' ? header : undefined;
    const result: TrafficResult = {
      user: of.user,
      path: of.path,
      version,
      status: response?.statusCode,
      connectionError,
      refusedByRouter: response?.headers['x-tidegate-router'] !== undefined,
      latencyMs,
      at: new Date(),
    };
    const failed = connectionError !== undefined || (result.status ?? 0) >= 500;
    this.#all.recordValue(microseconds(latencyMs));
    if (connectionError === undefined) this.#noteAnswer(result);
    else this.#connectionErrors.set(connectionError, (this.#connectionErrors.get(connectionError) ?? 0) + 1);
    if (failed && this.#failures.length < keptFailures) this.#failures.push(result);
    this.#options.onResult?.(result);
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  #noteAnswer(result: TrafficResult): void {
    this.#answered++;
    const failed = (result.status ?? 0) >= 500;
    if (failed) this.#httpErrors++;
    if (result.refusedByRouter) this.#refused++;
    if (result.version === undefined) return;
    let tally = this.#byVersion.get(result.version);
    if (!tally) this.#byVersion.set(result.version, (tally = { requests: 0, errors: 0, latency: histogram() }));
    tally.requests++;
    if (failed) tally.errors++;
    tally.latency.recordValue(microseconds(result.latencyMs));
  }

  /** xorshift32 */
  #below(limit: number): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return Math.floor(((x >>> 0) / 4_294_967_296) * limit);
  }
}

/** Microseconds, up to two minutes, three digits. */
function histogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 120_000_000, numberOfSignificantValueDigits: 3, bitBucketSize: 32 });
}

function summaryOf(tally: Tally): VersionSummary {
  const percentile = (p: number): number => tally.latency.getValueAtPercentile(p) / 1_000;
  return { requests: tally.requests, errors: tally.errors, p50Ms: percentile(50), p99Ms: percentile(99) };
}

function microseconds(ms: number): number {
  return Math.min(120_000_000, Math.max(1, Math.round(ms * 1_000)));
}
