import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Database, Transaction } from '../database/database.ts';
import { transact } from '../database/retry.ts';
import { canonicalJson } from '../digest.ts';
import { Fault } from '../fault.ts';
import { claimIdempotencyKey, keepAnswer } from './idempotency.store.ts';
import type { IdempotentRequest, KeptAnswer } from './idempotency.store.ts';
import { schemaOf } from './openapi.api.ts';
import { compileInput } from './request-input.ts';
import type { Answer, Call, Route } from './route.ts';
import { mountStream } from './stream.api.ts';
import { entityTag, parseEntityTags } from './version.ts';

export interface MountDeps {
  readonly db: Database;
  readonly clock: Clock;
  /** Checks each answer against its schema: tests and development. @default false */
  readonly checkAnswers?: boolean;
}

type Endpoint = Exclude<Route, { kind: 'stream' }>;

/** Mounts routes on the edge: access, validation, transaction, idempotency, versions and the OpenAPI entry come with it. */
export function mountRoutes(app: FastifyInstance, deps: MountDeps, routes: readonly Route[]): void {
  for (const route of routes) {
    if (route.kind === 'stream') mountStream(app, route);
    else mountEndpoint(app, deps, route);
  }
}

function mountEndpoint(app: FastifyInstance, deps: MountDeps, route: Endpoint): void {
  const method = route.method ?? 'GET';
  const input = compileInput(route, `${method} ${route.path}`);
  app.route({
    method,
    url: route.path,
    config: { permission: route.access },
    schema: schemaOf(route),
    handler: async (request, reply) => {
      refuseOtherMedia(route, request);
      const call = callOf(request, input, deps.clock.now());
      const answer = route.kind === 'read' ? answerOf(route, await route.handle(call)) : await act(deps, route, { request, call });
      if (deps.checkAnswers === true) checkAnswer(route, answer);
      return send(request, reply, answer);
    },
  });
}

function callOf(request: FastifyRequest, input: ReturnType<typeof compileInput>, at: Date): Call {
  const ifMatch = parseEntityTags(request.headers['if-match'], 'If-Match');
  return {
    ...input({ params: request.params, query: request.query, body: request.body ?? undefined }),
    principal: request.principal,
    ifMatch,
    at,
    requestId: request.id,
    signal: request.signal,
  };
}

function refuseOtherMedia(route: Endpoint, request: FastifyRequest): void {
  if (request.body === undefined || request.body === null || route.body === undefined) return;
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const accepted = ['application/json', ...(route.textBodies ?? [])];
  if (accepted.includes(type)) return;
  throw new Fault({
    code: 'body.media-type',
    status: 415,
    message: `expected a body of type ${accepted.join(' or ')}, got ${type.slice(0, 80) || 'none'}`,
    remedy: `Set the header Content-Type: ${accepted[0]}.`,
  });
}

/** The one transaction of a write: claim the key, do it, keep the answer. Nothing of it stays when any of it fails. */
async function act(
  deps: MountDeps,
  route: Extract<Route, { kind: 'write' }>,
  { request, call }: { request: FastifyRequest; call: Call },
): Promise<KeptAnswer> {
  if (route.ifMatch === 'required' && call.ifMatch === undefined) {
    throw new Fault({
      code: 'version.required',
      status: 428,
      message: 'expected the header If-Match with the version this was decided on, got none',
      remedy: 'Read it first and send its ETag as If-Match.',
    });
  }
  const idempotent = route.method === 'POST' ? idempotentRequest(request, call) : undefined;
  const prepared = await route.prepare?.(call);
  return transact(deps.db, async (tx: Transaction) => {
    const kept = idempotent && (await claimIdempotencyKey(tx, idempotent));
    if (kept) return replay(kept);
    const answer = answerOf(route, await route.handle(call, tx, prepared));
    if (idempotent) await keepAnswer(tx, idempotent, route.showsSecret === true ? { ...answer, body: null } : answer);
    return answer;
  });
}

function idempotentRequest(request: FastifyRequest, call: Call): IdempotentRequest | undefined {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  const key = typeof header === 'string' ? /^"?([\x21\x23-\x7e]{1,255})"?$/.exec(header.trim())?.[1] : undefined;
  if (key === undefined)
    throw new Fault({
      code: 'idempotency.malformed',
      status: 400,
      message: 'expected an Idempotency-Key of 1 to 255 visible characters, got another form',
      remedy: 'Send a new UUID for each action.',
    });
  return { principal: call.principal.name, key, method: request.method, path: request.url, body: request.body, at: call.at };
}

function replay(kept: KeptAnswer): KeptAnswer {
  if (kept.body !== null || kept.status === 204) return { ...kept, headers: { ...kept.headers, 'idempotent-replayed': 'true' } };
  throw new Fault({
    code: 'idempotency.secret-shown',
    status: 409,
    message: `this was done before${kept.headers['location'] ? ` (${kept.headers['location']})` : ''}; its answer held a secret, which is shown once and never kept`,
    remedy: 'Revoke what was made and make another.',
  });
}

function answerOf(route: Endpoint, answer: Answer<unknown>): KeptAnswer {
  const type = route.answers ?? 'application/json';
  const headers: Record<string, string> = {
    ...(route.result && { 'content-type': `${type}; charset=utf-8` }),
    ...(answer.version !== undefined && { etag: entityTag(answer.version) }),
    ...(answer.location !== undefined && { location: answer.location }),
    ...(route.kind === 'write' && route.showsSecret === true && { 'cache-control': 'no-store' }),
  };
  if (route.result === undefined) return { status: 204, headers, body: null };
  const body = type === 'application/json' ? JSON.stringify(answer.body) : String(answer.body);
  return { status: route.status ?? 200, headers, body };
}

function send(request: FastifyRequest, reply: FastifyReply, answer: KeptAnswer): FastifyReply {
  reply.headers(answer.headers);
  const known = request.method === 'GET' ? parseEntityTags(request.headers['if-none-match'], 'If-None-Match') : undefined;
  const etag = answer.headers['etag'];
  if (known !== undefined && etag !== undefined && (known === '*' || known.some((tag) => entityTag(tag) === etag)))
    return reply.code(304).send();
  return reply.code(answer.status).send(answer.body ?? undefined);
}

/** What the schema does not name does not leave: found in tests, where it costs nobody anything. */
function checkAnswer(route: Endpoint, answer: KeptAnswer): void {
  if (route.result === undefined || answer.body === null) return;
  const type = route.answers ?? 'application/json';
  const sent: unknown = type === 'application/json' ? JSON.parse(answer.body) : answer.body;
  const parsed = route.result.safeParse(sent);
  if (!parsed.success) throw new TypeError(`${route.operation}: the answer breaks its own schema: ${JSON.stringify(parsed.error.issues)}`);
  if (canonicalJson(parsed.data) !== canonicalJson(sent))
    throw new TypeError(`${route.operation}: the answer has members its schema does not name: ${answer.body.slice(0, 500)}`);
}
