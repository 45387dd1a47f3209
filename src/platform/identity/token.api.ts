import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { Fault } from '../fault.ts';
import { decodeCursor, pageFrom, pageOf, pageQuery, read, write } from '../http/index.ts';
import type { Route } from '../http/index.ts';
import { recordChange } from '../ledger/record.store.ts';
import { ResourceName } from '../resources/resource.ts';
import { findResource } from '../resources/resource.store.ts';
import { principalKind } from './people.ts';
import { mayDo, requirePermission } from './permission.ts';
import { longestLifeDays, usualLifeDays } from './token.ts';
import type { Token as StoredToken } from './token.ts';
import { listTokens, loadToken, revokeToken, saveNewToken, unknownToken } from './token.store.ts';

const Token = z
  .object({
    id: z.string(),
    principal: z.string(),
    description: z.string(),
    createdAt: z.iso.datetime(),
    createdBy: z.string(),
    expiresAt: z.iso.datetime(),
    revokedAt: z.iso.datetime().optional(),
    revokedBy: z.string().optional(),
    lastUsedAt: z.iso.datetime().optional().describe('Exact to five minutes'),
  })
  .meta({ id: 'Token' });

const CreatedToken = Token.extend({ token: z.string().describe('The secret, shown this once') }).meta({ id: 'CreatedToken' });

const NewToken = z.strictObject({
  principal: ResourceName.describe('Whom it speaks for'),
  description: z.string().min(1).max(200).describe('Where it is used, so that people know what a revocation stops'),
  expiresInDays: z.number().int().min(1).max(longestLifeDays).default(usualLifeDays),
});

const Me = z
  .object({
    name: z.string(),
    kind: z.enum(['person', 'bot', 'system']),
    emails: z.array(z.string()),
    roles: z.array(z.string()),
    permissions: z.array(z.string()),
    actsFor: z.string().optional(),
  })
  .meta({ id: 'Me' });

const dayMs = 24 * 60 * 60 * 1000;

/** Routes of tokens and of who one is. */
export function tokenRoutes({ db }: { readonly db: Database }): readonly Route[] {
  return [whoAmI(), createToken(), listOwnOrAllTokens(db), deleteToken()];
}

function whoAmI(): Route {
  return read({
    path: '/api/v1/me',
    operation: 'whoAmI',
    access: 'authenticated',
    summary: 'Who this token speaks for, and what they may do',
    result: Me,
    handle: async ({ principal }) => ({
      body: {
        name: principal.name,
        kind: principal.kind,
        emails: [...principal.emails],
        roles: [...principal.roles],
        permissions: [...principal.permissions].toSorted(),
        ...(principal.actsFor !== undefined && { actsFor: principal.actsFor }),
      },
    }),
  });
}

function createToken(): Route {
  return write({
    method: 'POST',
    path: '/api/v1/tokens',
    operation: 'createToken',
    access: 'token.create',
    summary: 'Makes a token for a principal and shows it once',
    body: NewToken,
    result: CreatedToken,
    status: 201,
    showsSecret: true,
    handle: async ({ body, principal, at }, tx) => {
      if ((await findResource(tx, principalKind, body.principal)) === undefined) throw unknownPrincipal(body.principal);
      const expiresAt = new Date(at.getTime() + body.expiresInDays * dayMs);
      const { token, secret } = await saveNewToken(tx, {
        principal: body.principal,
        description: body.description,
        createdBy: principal.name,
        at,
        expiresAt,
      });
      await recordChange(tx, {
        actor: principal.name,
        action: 'token.created',
        subject: `token/${token.id}`,
        related: [`principal/${token.principal}`],
        after: { principal: token.principal, description: token.description, expiresAt: token.expiresAt.toISOString() },
        at,
      });
      return { body: { ...shown(token), token: secret }, location: `/api/v1/tokens/${token.id}` };
    },
  });
}

function unknownPrincipal(name: string): Fault {
  return new Fault({
    code: 'principal.unknown',
    status: 422,
    message: `expected the name of a Principal, got ${name}`,
    remedy: 'Declare it first: kind Principal, tidegate apply.',
    faults: [{ pointer: '/principal', detail: `expected the name of a Principal, got "${name}"` }],
  });
}

function listOwnOrAllTokens(db: Database): Route {
  return read({
    path: '/api/v1/tokens',
    operation: 'listTokens',
    access: 'authenticated',
    summary: 'Tokens: one’s own, or of everybody with the permission token.read',
    query: z.strictObject({ ...pageQuery, principal: ResourceName.optional() }),
    result: pageOf(Token),
    handle: async ({ query, principal }) => {
      if (query.principal !== undefined && query.principal !== principal.name) requirePermission(principal, 'token.read');
      const of = mayDo(principal, 'token.read').effect === 'allow' ? query.principal : principal.name;
      const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, z.tuple([z.string().max(64)]))[0];
      const found = await listTokens(db, {
        limit: query.limit + 1,
        ...(of !== undefined && { principal: of }),
        ...(after !== undefined && { afterId: after }),
      });
      const page = pageFrom(found, query.limit, (token) => [token.id]);
      return { body: { ...page, items: page.items.map(shown) } };
    },
  });
}

function deleteToken(): Route {
  return write({
    method: 'DELETE',
    path: '/api/v1/tokens/:token',
    operation: 'revokeToken',
    access: 'authenticated',
    summary: 'Revokes a token at once: one’s own, or anybody’s with the permission token.revoke',
    params: z.object({ token: z.string().max(64) }),
    handle: async ({ params, principal, at }, tx) => {
      const { principal: holder } = await loadToken(tx, params.token);
      if (holder !== principal.name && mayDo(principal, 'token.revoke').effect !== 'allow') throw unknownToken(params.token);
      const { token, changed } = await revokeToken(tx, { id: params.token, by: principal.name, at });
      if (changed)
        await recordChange(tx, {
          actor: principal.name,
          action: 'token.revoked',
          subject: `token/${token.id}`,
          related: [`principal/${token.principal}`],
          at,
        });
      return { body: undefined };
    },
  });
}

function shown(token: StoredToken): z.infer<typeof Token> {
  return {
    id: token.id,
    principal: token.principal,
    description: token.description,
    createdAt: token.createdAt.toISOString(),
    createdBy: token.createdBy,
    expiresAt: token.expiresAt.toISOString(),
    ...(token.revokedAt && { revokedAt: token.revokedAt.toISOString() }),
    ...(token.revokedBy !== undefined && { revokedBy: token.revokedBy }),
    ...(token.lastUsedAt && { lastUsedAt: token.lastUsedAt.toISOString() }),
  };
}
