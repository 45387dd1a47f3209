import type { FastifyInstance } from 'fastify';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock } from '../../src/platform/clock.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { createHttp } from '../../src/platform/http/index.ts';
import type { HttpSettings } from '../../src/platform/http/index.ts';
import { principalKind, roleKind, saveNewToken, tokenAuthentication } from '../../src/platform/identity/index.ts';
import type { Permission } from '../../src/platform/identity/index.ts';
import { applyFiles, kindsOf } from '../../src/platform/resources/index.ts';

export interface TestHttpOptions {
  readonly db: Database;
  readonly clock?: Clock;
  readonly settings?: Partial<HttpSettings>;
  readonly logStream?: { write(line: string): void };
}

/** The real edge with the real authentication; mount routes on it, then use `ask`. Close it in `afterAll`. */
export async function testHttp(options: TestHttpOptions): Promise<FastifyInstance> {
  const { db, clock = systemClock } = options;
  const settings = { logLevel: 'warn', ...options.settings } as const;
  return createHttp({
    db,
    clock,
    authenticate: tokenAuthentication(db, clock),
    settings,
    ...(options.logStream && { logStream: options.logStream }),
  });
}

/** Declares a person with exactly these permissions and hands out a token. */
export async function tokenWith(
  db: Database,
  name: string,
  permissions: readonly Permission[],
  life: { readonly at?: Date; readonly expiresAt?: Date } = {},
): Promise<string> {
  const principal = { name: 'system:test', kind: 'system', emails: [], roles: [], permissions: new Set<string>(permissions) } as const;
  const person = {
    apiVersion: 'tidegate.dev/v1',
    kind: 'Principal',
    metadata: { name },
    spec: { kind: 'person', displayName: name, emails: [`${name}@example.com`] },
  };
  const role = {
    apiVersion: 'tidegate.dev/v1',
    kind: 'Role',
    metadata: { name: `role-of-${name}` },
    spec: { members: [name], permissions },
  };
  const text = [person, ...(permissions.length > 0 ? [role] : [])].map((document) => JSON.stringify(document)).join('\n---\n');
  const at = life.at ?? new Date(Date.now() - 1_000);
  return db.transaction().execute(async (tx) => {
    await applyFiles(tx, { files: [{ name: 'test', text }], principal, at }, kindsOf([principalKind, roleKind]));
    const { secret } = await saveNewToken(tx, {
      principal: name,
      description: 'test',
      createdBy: 'test',
      at,
      expiresAt: life.expiresAt ?? new Date(at.getTime() + 3_600_000),
    });
    return secret;
  });
}

export interface Asked {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  // Tests look into answers of every shape.
  // eslint-disable-next-line typescript/no-explicit-any
  readonly json: any;
}

/** One request without a socket. `target` is `METHOD /path`; a text body goes out as it is, anything else as JSON. */
export async function ask(app: FastifyInstance, target: string, { token, body, headers }: Asked = {}): Promise<Answered> {
  const [method = 'GET', url = '/'] = target.split(' ');
  const answer = await app.inject({
    method: method as 'GET',
    url,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && typeof body !== 'string' && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const isJson = /json/.test(String(answer.headers['content-type']));
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text: answer.body,
    json: isJson && answer.body !== '' ? JSON.parse(answer.body) : undefined,
  };
}
