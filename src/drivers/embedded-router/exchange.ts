import type { ResponseHead } from './http-head.ts';
import type { Arm, Generation, Lane } from './lane.ts';
import { pick } from './pick.ts';
import type { ResponseSink, UpstreamConnection, UpstreamFailure, UpstreamRequest } from './upstream-connection.ts';

/** The user's side of an exchange: how a response is written, whatever read the request. */
export interface ClientSide {
  sendHead(head: ResponseHead, arm: Arm): void;
  /** False when the client reads more slowly than this. */
  sendData(data: Buffer): boolean;
  end(): void;
  /** An answer of the router itself. Called before any head was sent. */
  refuse(status: 502 | 503 | 504, sentence: string): void;
  /** The response cannot be finished: the connection is broken off, so that the client sees that it is not whole. */
  abort(): void;
}

/**
 * One request on its way: which arm it belongs to, which arms were tried, how it is counted.
 *
 * It is counted once, on the arm its user belongs to, whichever arm served it in the end. An arm that refused or broke it
 * has an error even when another arm saved the user: otherwise a dead canary would look like one without traffic.
 */
export class Exchange implements ResponseSink {
  readonly #lane: Lane;
  readonly #generation: Generation;
  readonly #user: string;
  readonly #request: UpstreamRequest;
  readonly #client: ClientSide;
  readonly #mayRetry: boolean;
  readonly #startedAt = performance.now();
  #assigned = -1;
  #target = -1;
  #tries = 0;
  #triesOnTarget = 0;
  #wasReached = false;
  #assignedFailed = false;
  #connection: UpstreamConnection | undefined;
  #head: ResponseHead | undefined;
  #latencyMs: number | undefined;
  #isOver = false;

  /** `mayRetry`: GET or HEAD without a body. Anything else is sent at most once. */
  constructor(lane: Lane, user: string, request: UpstreamRequest, options: { readonly mayRetry: boolean; readonly client: ClientSide }) {
    this.#lane = lane;
    this.#generation = lane.current;
    this.#user = user;
    this.#request = request;
    this.#mayRetry = options.mayRetry;
    this.#client = options.client;
  }

  get connection(): UpstreamConnection | undefined {
    return this.#connection;
  }

  start(): void {
    const { arms } = this.#generation;
    this.#assigned = pick(arms, this.#user);
    this.#target = this.#assigned;
    if (arms[this.#assigned]?.upstream.isDown === true) {
      const other = this.#otherArm();
      if (other !== -1) {
        this.#assignedFailed = true;
        this.#target = other;
      }
    }
    this.#try(this.#startedAt, false);
  }

  onHead(head: ResponseHead): void {
    const now = performance.now();
    this.#head = head;
    this.#arm.upstream.noteAnswer(now);
    if (this.#target === this.#assigned) this.#latencyMs = now - this.#startedAt;
    this.#client.sendHead(head, this.#arm);
  }

  onData(data: Buffer): boolean {
    return this.#client.sendData(data);
  }

  onEnd(): void {
    this.#arm.upstream.inFlight--;
    const status = this.#head?.status ?? 0;
    this.#finish(this.#assignedFailed || (status >= 500 && this.#target === this.#assigned));
    this.#client.end();
  }

  onFailure(failure: UpstreamFailure, isStale: boolean): void {
    const arm = this.#arm;
    arm.upstream.inFlight--;
    this.#connection = undefined;
    if (failure !== 'connect') this.#wasReached = true;
    if (!isStale) {
      arm.upstream.noteFailure(failure);
      if (this.#target === this.#assigned) this.#assignedFailed = true;
    }
    if (this.#head) {
      this.#finish(true);
      this.#client.abort();
    } else if (!this.#retry(failure)) this.#giveUp(failure);
  }

  /** The client has gone: the upstream is told by the end of its connection. No error of the arm; its time so far counts. */
  cancel(): void {
    if (this.#isOver) return;
    if (this.#connection) this.#arm.upstream.inFlight--;
    this.#connection?.destroy();
    this.#latencyMs ??= this.#target === this.#assigned ? performance.now() - this.#startedAt : undefined;
    this.#finish(this.#assignedFailed);
  }

  get #arm(): Arm {
    const arm = this.#generation.arms[this.#target];
    if (!arm) throw new Error(`expected one of ${this.#generation.arms.length} arms, got ${this.#target}`);
    return arm;
  }

  #try(now: number, fresh: boolean): void {
    const { upstream } = this.#arm;
    this.#tries++;
    this.#triesOnTarget++;
    this.#connection = upstream.send(this.#request, this, { now, fresh });
    if (this.#connection) upstream.inFlight++;
    else {
      this.#lane.failedByRouter++;
      this.#finish(this.#assignedFailed);
      this.#client.refuse(503, 'the router holds as many connections to this version as it may');
    }
  }

  /** The same arm once more on a fresh connection, then another arm. A slow answer is not asked for twice. */
  #retry(failure: UpstreamFailure): boolean {
    if (!this.#mayRetry || failure === 'timeout' || this.#tries >= 4) return false;
    if (this.#triesOnTarget < 2) {
      this.#try(performance.now(), true);
      return true;
    }
    if (this.#target !== this.#assigned) return false;
    const other = this.#otherArm();
    if (other === -1) return false;
    this.#target = other;
    this.#triesOnTarget = 0;
    this.#try(performance.now(), false);
    return true;
  }

  #otherArm(): number {
    const { arms } = this.#generation;
    return pick(arms, this.#user, (index) => index !== this.#assigned && arms[index]?.upstream.isDown === false);
  }

  #giveUp(failure: UpstreamFailure): void {
    if (!this.#wasReached) this.#lane.failedByRouter++;
    this.#finish(true);
    if (failure === 'timeout') this.#client.refuse(504, 'the application did not answer in time');
    else this.#client.refuse(502, 'the application could not be reached or broke the connection');
  }

  #finish(failed: boolean): void {
    this.#isOver = true;
    const deployment = this.#generation.arms[this.#assigned]?.deployment ?? '';
    this.#lane.record(this.#generation, { deployment, user: this.#user, failed, latencyMs: this.#latencyMs });
  }
}
