import type { z } from 'zod';
import type { Transaction } from '../database/database.ts';
import type { Access } from '../identity/permission.ts';
import type { Principal } from '../identity/principal.ts';
import type { IfMatch } from './version.ts';

/** What a handler is called with: everything checked already. */
export interface Call<Params = unknown, Query = unknown, Body = unknown> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly principal: Principal;
  /** Of the If-Match header; hand it to `requireVersion` inside the transaction. */
  readonly ifMatch: IfMatch | undefined;
  /** When the request came in, of the server's clock. */
  readonly at: Date;
  readonly requestId: string;
  /** Aborted when the client goes away or the time is up. */
  readonly signal: AbortSignal;
}

export interface Answer<Body> {
  readonly body: Body;
  /** Becomes the ETag, and what a later If-Match is held against. */
  readonly version?: string | number;
  /** Where a created thing is found. */
  readonly location?: string;
}

interface RouteBase<Params, Query, Body, Result> {
  /** Full path with `:name` parts: `/api/v1/releases/:release`. */
  readonly path: string;
  /** Unique verb and noun in camelCase; the operationId clients are generated from: `createRelease`. */
  readonly operation: string;
  /** Who may call it. Undeclared routes do not start. */
  readonly access: Access;
  /** One sentence for the documentation. */
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodType<Params>;
  /** Objects of query and body must be strict: a misspelt field is refused, not ignored. */
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  /** Further media types whose body arrives as a text, before `body` parses it. */
  readonly textBodies?: readonly string[];
  /** What answers look like. Times are ISO texts. Left out: 204 without a body. */
  readonly result?: z.ZodType<Result>;
  /** @default 200, or 204 without a result */
  readonly status?: 200 | 201 | 202 | 204;
  /** Media type of a text answer; `result` is then a string. @default 'application/json' */
  readonly answers?: string;
}

/** Reads only; a POST when the question needs a body. */
export interface ReadRoute<Params, Query, Body, Result> extends RouteBase<Params, Query, Body, Result> {
  readonly method?: 'GET' | 'POST';
  handle(call: Call<Params, Query, Body>): Promise<Answer<Result>>;
}

/** Acts, in one transaction that also keeps the Idempotency-Key's answer. Nothing outside the database is touched here. */
export interface WriteRoute<Params, Query, Body, Result, Prepared = undefined> extends RouteBase<Params, Query, Body, Result> {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Whether If-Match must be sent (428 without), may be sent, or has no meaning (ignored). @default 'none' */
  readonly ifMatch?: 'required' | 'optional' | 'none';
  /** The answer shows a secret once: it is never kept, and a repeat under its Idempotency-Key is refused with 409. */
  readonly showsSecret?: boolean;
  /** Reads the outside (a git repository, say) before the transaction begins. It must change nothing: a repeat runs it again. */
  prepare?(call: Call<Params, Query, Body>): Promise<Prepared>;
  handle(call: Call<Params, Query, Body>, tx: Transaction, prepared: Prepared): Promise<Answer<Result>>;
}

/** An event as it goes out on a stream: `id` is what Last-Event-ID resumes after; its JSON is the data. */
export interface StreamedEvent {
  readonly id: number;
  readonly type: string;
}

export interface StreamCall<Query = unknown> {
  readonly query: Query;
  readonly principal: Principal;
  /** Of the Last-Event-ID header. */
  readonly afterId: number | undefined;
  /** Aborted when the client goes away or the server stops. End the iteration then. */
  readonly signal: AbortSignal;
}

/** Server-sent events over an endless iterable. */
export interface StreamRoute<Query> {
  readonly path: string;
  readonly operation: string;
  readonly access: Access;
  readonly summary: string;
  readonly description?: string;
  readonly query?: z.ZodType<Query>;
  events(call: StreamCall<Query>): AsyncIterable<StreamedEvent>;
}

type AnyRead = { readonly kind: 'read' } & ReadRoute<unknown, unknown, unknown, unknown>;
type AnyWrite = { readonly kind: 'write' } & WriteRoute<unknown, unknown, unknown, unknown, unknown>;
type AnyStream = { readonly kind: 'stream' } & StreamRoute<unknown>;
/** A route of any shape, made by `read`, `write` or `stream` and mounted by `mountRoutes`. */
export type Route = AnyRead | AnyWrite | AnyStream;

export function read<Params = undefined, Query = undefined, Body = undefined, Result = undefined>(
  route: ReadRoute<Params, Query, Body, Result>,
): Route {
  return { kind: 'read', ...route } as unknown as AnyRead;
}

export function write<Params = undefined, Query = undefined, Body = undefined, Result = undefined, Prepared = undefined>(
  route: WriteRoute<Params, Query, Body, Result, Prepared>,
): Route {
  return { kind: 'write', ...route } as unknown as AnyWrite;
}

export function stream<Query = undefined>(route: StreamRoute<Query>): Route {
  return { kind: 'stream', ...route } as unknown as AnyStream;
}
