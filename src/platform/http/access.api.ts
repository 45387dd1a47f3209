import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Fault } from '../fault.ts';
import { permissions, requirePermission } from '../identity/permission.ts';
import type { Access } from '../identity/permission.ts';
import type { Principal } from '../identity/principal.ts';
import type { HttpSettings } from './settings.ts';

/** Turns a bearer token into who acts, or throws a Fault 401 (`token.unknown`, `token.expired`, `token.revoked`). */
export type Authenticate = (token: string) => Promise<Principal>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route. A route without it does not start. */
    permission?: Access;
  }
  interface FastifyRequest {
    /** Who acts; nobody with no permissions on public routes. */
    principal: Principal;
  }
  interface FastifyInstance {
    listRoutes(): readonly ListedRoute[];
    /** Whether the token of a long request is still good and still enough. True while the database cannot tell. */
    mayStill(request: FastifyRequest): Promise<boolean>;
  }
}

/** A mounted route, for tests that walk all of them. */
export interface ListedRoute {
  readonly method: string;
  readonly url: string;
  readonly access: Access;
}

interface AccessOptions {
  readonly authenticate: Authenticate;
  readonly settings: HttpSettings;
}

const nobody: Principal = { name: 'nobody', kind: 'system', emails: [], roles: [], permissions: new Set() };

/** Deny by default: refuses at start any route that does not say who may call it, and asks before a body is read. */
export function addAccessControl(app: FastifyInstance, { authenticate, settings }: AccessOptions): void {
  const routes: ListedRoute[] = [];
  app.decorateRequest('principal', null as unknown as Principal);
  app.decorate('listRoutes', () => routes);
  app.addHook('onRoute', (route) => {
    const access = route.config?.permission;
    if (access === undefined || (access !== 'public' && access !== 'authenticated' && !permissions.includes(access))) {
      throw new TypeError(
        `route ${String(route.method)} ${route.url}: expected config.permission to say who may call it, got ${String(access)}`,
      );
    }
    for (const method of [route.method].flat()) routes.push({ method, url: route.url, access });
  });

  app.decorate('mayStill', async (request: FastifyRequest) => {
    const access = request.routeOptions.config.permission;
    if (access === undefined || access === 'public') return true;
    try {
      const principal = await authenticate(bearerToken(request));
      if (access !== 'authenticated') requirePermission(principal, access);
      return true;
    } catch (error) {
      return !(error instanceof Fault && (error.status === 401 || error.status === 403));
    }
  });

  const countRefusals = app.createRateLimit({
    max: settings.refusalsPerMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => `refused ${request.ip}`,
  });
  const countRequests = app.createRateLimit({
    max: settings.requestsPerMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => `principal ${request.principal.name}`,
  });
  app.addHook('onRequest', async (request, reply) => {
    request.principal = nobody;
    const access = request.routeOptions.config.permission;
    if (request.is404 || access === undefined || access === 'public') return;
    const refused = await countRefusals(request, { increment: false });
    if ('isExceeded' in refused && refused.remaining <= 0) throw tooMany(refused.ttlInSeconds);
    try {
      request.principal = await authenticate(bearerToken(request));
    } catch (error) {
      if (error instanceof Fault && error.status === 401) {
        await countRefusals(request);
        reply.header('www-authenticate', 'Bearer realm="tidegate"');
      }
      throw error;
    }
    const made = await countRequests(request);
    if ('isExceeded' in made && made.isExceeded) throw tooMany(made.ttlInSeconds);
    if (access !== 'authenticated') requirePermission(request.principal, access);
  });
}

/** RFC 6750, header only: a token in an address would end in logs. */
function bearerToken(request: FastifyRequest): string {
  const header = request.headers.authorization;
  const token = /^Bearer +([A-Za-z0-9._~+/-]{1,512}=*) *$/i.exec(header ?? '')?.[1];
  if (token !== undefined) return token;
  throw new Fault({
    code: header === undefined ? 'token.missing' : 'token.malformed',
    status: 401,
    message: `expected the header Authorization: Bearer TOKEN, got ${header === undefined ? 'none' : 'another form'}`,
    remedy: 'Sign in: tidegate login, or ask an administrator for a token.',
  });
}

function tooMany(seconds: number): Fault {
  return new Fault({
    code: 'request.too-many',
    status: 429,
    message: `expected fewer requests, got more than the limit; it frees up in ${seconds} s`,
    remedy: `Wait ${seconds} s.`,
    retryable: true,
    extra: { retryAfterSeconds: seconds },
  });
}
