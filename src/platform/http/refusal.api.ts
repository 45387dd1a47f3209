import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Fault } from '../fault.ts';
import { faultOf, problemOf } from './problem.ts';

/** Answers everything that is thrown, unknown addresses and wrong methods with problem+json; logs one line a request. */
export function addRefusals(app: FastifyInstance): void {
  const known: { readonly method: string; readonly pattern: RegExp }[] = [];
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) known.push({ method, pattern: patternOf(route.url) });
  });
  app.setErrorHandler((error, request, reply) => refuse(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const methods = [...new Set(known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
    if (methods.length === 0) {
      return refuse(
        new Fault({
          code: 'route.unknown',
          status: 404,
          message: `expected an address of this API, got ${path.slice(0, 200)}`,
          remedy: 'See /api/v1/openapi.json.',
        }),
        request,
        reply,
      );
    }
    reply.header('allow', methods.join(', '));
    return refuse(
      new Fault({
        code: 'route.method',
        status: 405,
        message: `expected ${methods.join(' or ')} here, got ${request.method}`,
        remedy: 'See /api/v1/openapi.json.',
      }),
      request,
      reply,
    );
  });
  app.addHook('onResponse', async (request, reply) => {
    const line = {
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      principal: request.principal?.name,
    };
    request.log.info(line, 'request');
  });
}

function patternOf(url: string): RegExp {
  const parts = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]{1,300}' : part === '*' ? '.*' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${parts.join('/')}$`);
}

/** The one way a refusal leaves. */
export async function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const fault = faultOf(error);
  if (fault.status >= 500) request.log.error({ err: fault.cause ?? fault, code: fault.code }, fault.message);
  const retryAfter = fault.extra['retryAfterSeconds'] ?? (fault.status === 503 ? 2 : undefined);
  if (typeof retryAfter === 'number' && !reply.hasHeader('retry-after')) reply.header('retry-after', String(retryAfter));
  // An unread body would otherwise be taken for the next request on this connection.
  if (fault.status === 413) reply.header('connection', 'close');
  return reply
    .code(fault.status)
    .type('application/problem+json')
    .send(JSON.stringify(problemOf(fault, request.id)));
}

const brokenRequests: Record<string, { readonly status: number; readonly line: string; readonly code: string; readonly message: string }> =
  {
    HPE_HEADER_OVERFLOW: {
      status: 431,
      line: 'Request Header Fields Too Large',
      code: 'request.headers-too-large',
      message: 'expected headers of at most 16 KiB, got more',
    },
    ERR_HTTP_REQUEST_TIMEOUT: {
      status: 408,
      line: 'Request Timeout',
      code: 'request.too-slow',
      message: 'expected the whole request within the time limit, got only a part',
    },
  };

/** What Node's parser refuses never becomes a request: answered on the bare socket. */
export function refuseBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const broken = brokenRequests[error.code ?? ''] ?? {
    status: 400,
    line: 'Bad Request',
    code: 'request.malformed',
    message: 'expected an HTTP/1.1 request, got something else',
  };
  const problem = problemOf(new Fault({ code: broken.code, status: broken.status, message: broken.message }), crypto.randomUUID());
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${broken.status} ${broken.line}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
