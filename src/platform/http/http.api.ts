import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import underPressure from '@fastify/under-pressure';
import Fastify, { LogController } from 'fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import { Fault } from '../fault.ts';
import { addAccessControl } from './access.api.ts';
import type { Authenticate } from './access.api.ts';
import { parseJsonBody } from './json-body.ts';
import { loggerOptions } from './log.ts';
import { addOpenApi } from './openapi.api.ts';
import { addRefusals, refuse, refuseBrokenRequest } from './refusal.api.ts';
import { resolveHttpSettings } from './settings.ts';
import type { HttpSettings } from './settings.ts';
import { addStreams } from './stream.api.ts';

export interface HttpDeps {
  readonly db: Database;
  readonly clock: Clock;
  /** Turns a bearer token into who acts, or throws a Fault 401. */
  readonly authenticate: Authenticate;
  readonly settings?: Partial<HttpSettings>;
  /** Where log lines go. @default standard output */
  readonly logStream?: { write(line: string): void };
}

/** The HTTP edge without any route of its own but openapi.json: mount routes, then `listen`. Every route must declare who may call it. */
export async function createHttp(deps: HttpDeps): Promise<FastifyInstance> {
  const settings = resolveHttpSettings(deps.settings);
  const app = Fastify({
    logger: loggerOptions(settings.logLevel, deps.logStream),
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => crypto.randomUUID(),
    requestIdHeader: false,
    bodyLimit: settings.bodyLimit,
    requestTimeout: settings.requestTimeoutMs,
    handlerTimeout: settings.handlerTimeoutMs,
    // A stalled reader of an answer; the heartbeat of event streams keeps them below it.
    connectionTimeout: 120_000,
    trustProxy: typeof settings.trustProxy === 'object' ? [...settings.trustProxy] : settings.trustProxy,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 300 },
    http: { maxHeaderSize: 16 * 1024, headersTimeout: 15_000 },
    clientErrorHandler: refuseBrokenRequest,
    frameworkErrors: (error, request, reply) => void refuse(error, request, reply),
    return503OnClosing: true,
    forceCloseConnections: true,
  });
  app.setValidatorCompiler(() => (value: unknown) => ({ value }));
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  addBodyParsers(app);
  addRefusals(app);
  await addGuards(app, settings);
  addAccessControl(app, { authenticate: deps.authenticate, settings });
  addStreams(app, settings);
  await addOpenApi(app);
  return app;
}

function addBodyParsers(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_request: FastifyRequest, text: string | Buffer) =>
    parseJsonBody(text.toString()),
  );
  // Routes that do not name these in `textBodies` refuse them with 415.
  app.addContentTypeParser(
    ['application/yaml', 'text/plain'],
    { parseAs: 'string' },
    async (_request: FastifyRequest, text: string | Buffer) => text.toString(),
  );
}

async function addGuards(app: FastifyInstance, settings: HttpSettings): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    referrerPolicy: { policy: 'no-referrer' },
  });
  await app.register(underPressure, {
    maxEventLoopDelay: settings.busyAfterMs,
    sampleInterval: 1_000,
    pressureHandler: (request, reply) => {
      if (request.url === '/healthz') return;
      reply.header('retry-after', '2');
      throw new Fault({
        code: 'server.busy',
        status: 503,
        message: 'the server is overloaded at the moment; nothing was done',
        remedy: 'Repeat in a few seconds.',
        retryable: true,
      });
    },
  });
  // Only its counters are used (access.api.ts): per principal once known, per address for refused sign-ins.
  await app.register(rateLimit, { global: false, cache: 20_000 });
  app.addHook('onSend', async (request, reply, payload) => {
    reply.header('x-request-id', request.id);
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'private, no-cache');
    return payload;
  });
}
