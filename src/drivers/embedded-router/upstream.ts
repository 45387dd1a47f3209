import {
  UpstreamConnection,
  type ConnectionOwner,
  type ResponseSink,
  type UpstreamFailure,
  type UpstreamRequest,
} from './upstream-connection.ts';

/** A probe answers any status: it tells whether the process serves, not whether the application is well. */
const probe: UpstreamRequest = {
  head: 'HEAD / HTTP/1.1\r\nhost: localhost\r\nuser-agent: tidegate-router-probe\r\naccept: */*\r\n\r\n',
  isHead: true,
  hasBody: false,
};
/** One refused connection says that nobody listens; a broken or slow answer may be the request's fault: three in a row. */
const failuresUntilDown = 3;
const probeDownEveryMs = 500;
const probeQuietEveryMs = 5_000;
const maxConnections = 4_096;

/** The process behind an arm: its connections and whether it answers. One per deployment of a lane. */
export class Upstream implements ConnectionOwner {
  readonly host: string;
  readonly port: number;
  readonly headTimeoutMs: number;
  isDown = false;
  inFlight = 0;
  #failures = 0;
  #lastAnswer = 0;
  #lastProbe = 0;
  #isProbing = false;
  #isRetired = false;
  readonly #idle: UpstreamConnection[] = [];
  readonly #all = new Set<UpstreamConnection>();

  constructor(url: URL, headTimeoutMs: number) {
    this.host = url.hostname.replace(/^\[|\]$/g, '');
    this.port = Number(url.port === '' ? 80 : url.port);
    this.headTimeoutMs = headTimeoutMs;
  }

  /** Undefined when the upstream holds as many connections as we allow. `fresh` asks for a new one. */
  send(
    request: UpstreamRequest,
    sink: ResponseSink,
    options: { readonly now: number; readonly fresh: boolean },
  ): UpstreamConnection | undefined {
    const connection = (options.fresh ? undefined : this.#takeIdle(options.now)) ?? this.#open();
    connection?.send(request, sink, options.now);
    return connection;
  }

  onIdle(connection: UpstreamConnection): void {
    if (this.#isRetired) connection.destroy();
    else this.#idle.push(connection);
  }

  onGone(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  noteAnswer(now: number): void {
    this.#lastAnswer = now;
    this.#failures = 0;
    this.isDown = false;
  }

  noteFailure(failure: UpstreamFailure): void {
    this.#failures++;
    if (failure === 'connect' || this.#failures >= failuresUntilDown) this.isDown = true;
  }

  /** Every half second: overdue requests, connections too old to reuse, and a probe when one is due. */
  sweep(now: number): void {
    for (const connection of this.#all) connection.checkDeadline(now);
    while (this.#idle[0] && !this.#idle[0].isReusable(now)) this.#idle[0].destroy();
    const since = now - Math.max(this.#lastAnswer, this.#lastProbe);
    if (!this.#isRetired && !this.#isProbing && since >= (this.isDown ? probeDownEveryMs : probeQuietEveryMs) - 100) this.#probe(now);
  }

  /** The arm has left the route: what is in flight is finished, nothing is kept. */
  retire(): void {
    this.#isRetired = true;
    while (this.#idle[0]) this.#idle[0].destroy();
  }

  destroy(): void {
    this.retire();
    for (const connection of this.#all) connection.destroy();
  }

  #takeIdle(now: number): UpstreamConnection | undefined {
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (connection.isReusable(now)) return connection;
      connection.destroy();
    }
    return undefined;
  }

  #open(): UpstreamConnection | undefined {
    if (this.#all.size >= maxConnections) return undefined;
    const connection = new UpstreamConnection(this);
    this.#all.add(connection);
    return connection;
  }

  #probe(now: number): void {
    this.#lastProbe = now;
    this.#isProbing = true;
    const done = (): void => {
      this.#isProbing = false;
    };
    const sink: ResponseSink = {
      onHead: () => this.noteAnswer(performance.now()),
      onData: () => true,
      onEnd: done,
      onFailure: (failure) => {
        done();
        this.noteFailure(failure);
      },
    };
    if (!this.send(probe, sink, { now, fresh: true })) done();
  }
}
