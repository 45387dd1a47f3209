import type { FastifyServerOptions } from 'fastify';

/** Names under which a secret could stand in a logged value, at the top and one level down. */
const secretNames = ['authorization', 'cookie', 'token', 'secret', 'password', 'hash', 'set-cookie', 'idempotency-key'];

/** JSON lines. Headers and bodies are never logged; redaction is the second line of defence. */
export function loggerOptions(level: string, stream?: { write(line: string): void }): NonNullable<FastifyServerOptions['logger']> {
  return {
    level,
    redact: { paths: secretNames.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]), censor: '[redacted]' },
    serializers: {
      req: (request) => ({ method: request.method, url: request.url, remoteAddress: request.ip }),
      res: (reply) => ({ statusCode: reply.statusCode }),
    },
    ...(stream && { stream }),
  };
}
