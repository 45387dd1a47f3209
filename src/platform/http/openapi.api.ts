import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { Problem } from './problem.ts';
import type { Route } from './route.ts';

/** Serves OpenAPI 3.1 of every mounted route at /api/v1/openapi.json. Call before any route is mounted. */
export async function addOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tidegate',
        version: '1',
        description: 'Takes a software release from plan to post-mortem. Every refusal is problem+json (RFC 9457) with a stable `code`.',
      },
      servers: [{ url: '/' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'An API token, tg_…' } } },
    },
    transform: (route) => documented(route),
    transformObject: (document) =>
      withTextBodies(withoutUnused(jsonSchemaTransformObject(document) as Components)) as ReturnType<typeof jsonSchemaTransformObject>,
  });
  const operations = new Set<unknown>();
  app.addHook('onRoute', ({ schema, url }) => {
    const operation = schema?.operationId;
    if (operation !== undefined && operations.has(operation))
      throw new TypeError(`route ${url}: expected an operation of its own, got ${operation} again`);
    operations.add(operation);
  });
  let text: string | undefined;
  app.get('/api/v1/openapi.json', { config: { permission: 'public' }, schema: { hide: true } }, async (_request, reply) => {
    text ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(text);
  });
}

/** A schema that cannot be shown is the route's mistake: it is named, and found at start and in tests. */
function documented(route: Parameters<typeof jsonSchemaTransform>[0]): ReturnType<typeof jsonSchemaTransform> {
  try {
    return jsonSchemaTransform(route);
  } catch (error) {
    throw new TypeError(
      `route ${route.url}: expected schemas that JSON Schema can show, got one that it cannot (a recursive one needs .meta({ id }))`,
      { cause: error },
    );
  }
}

/** The documentation of a route, as the framework wants it. */
export function schemaOf(route: Route): FastifySchema {
  return {
    operationId: route.operation,
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    tags: [route.path.split('/')[3] ?? 'server'],
    security: route.access === 'public' ? [] : [{ token: [] }],
    ...(route.kind !== 'stream' && route.params && { params: route.params }),
    ...(route.query && { querystring: route.query }),
    ...(route.kind !== 'stream' && route.body && { body: route.body, consumes: ['application/json', ...(route.textBodies ?? [])] }),
    ...(headersOf(route) && { headers: headersOf(route) }),
    response: {
      ...resultOf(route),
      default: { description: 'Refused, with the reason', content: { 'application/problem+json': { schema: Problem } } },
    },
  };
}

const ifMatch = z.string().describe('ETag of the version this was decided on; stale → 412');
const idempotencyKey = z.string().optional().describe('Repeats with the same key are done once and answered alike for 24 hours');

function headersOf(route: Route): z.ZodType | undefined {
  if (route.kind === 'stream') return z.object({ 'last-event-id': z.string().optional().describe('Resume after this event') });
  if (route.kind === 'read') return undefined;
  const match = { none: {}, optional: { 'if-match': ifMatch.optional() }, required: { 'if-match': ifMatch } }[route.ifMatch ?? 'none'];
  const headers = { ...match, ...(route.method === 'POST' && { 'idempotency-key': idempotencyKey }) };
  return Object.keys(headers).length > 0 ? z.object(headers) : undefined;
}

function resultOf(route: Route): Record<string, unknown> {
  if (route.kind === 'stream')
    return { 200: { description: 'Server-sent events', content: { 'text/event-stream': { schema: z.string() } } } };
  if (route.result === undefined) return { 204: z.undefined().describe('Done') };
  return { [route.status ?? 200]: { description: 'Done', content: { [route.answers ?? 'application/json']: { schema: route.result } } } };
}

type Components = {
  readonly components?: { readonly schemas?: Record<string, unknown> };
  readonly paths?: Record<string, Record<string, Operation>>;
};

/** Each named schema is emitted once for input and once for output; the half nobody refers to is left out. */
function withoutUnused<Document extends Components>(document: Document): Document {
  const { components, ...rest } = document;
  const schemas = components?.schemas ?? {};
  const used = new Set<string>();
  const follow = (value: unknown): void => {
    for (const [, name] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (name === undefined || used.has(name)) continue;
      used.add(name);
      follow(schemas[name] ?? {});
    }
  };
  follow(rest);
  const kept = Object.fromEntries(
    Object.entries(schemas)
      .filter(([name]) => used.has(name))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
  return { ...document, components: { ...components, schemas: kept } };
}

interface Operation {
  readonly requestBody?: { readonly content?: Record<string, { schema: unknown }> };
}

/** Bodies that arrive as a text are one, whatever the schema makes of them. */
function withTextBodies<Document extends { readonly paths?: Record<string, Record<string, Operation>> }>(document: Document): Document {
  const contents = Object.values(document.paths ?? {}).flatMap((path) =>
    Object.values(path).map((operation) => operation.requestBody?.content ?? {}),
  );
  // The framework lets all media types of a body share one object: replaced, never changed.
  for (const content of contents)
    for (const type of Object.keys(content)) if (type !== 'application/json') content[type] = { schema: { type: 'string' } };
  return document;
}
