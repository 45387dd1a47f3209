import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Database, Reader, Transaction } from '../database/database.ts';
import { Fault } from '../fault.ts';
import type { Clock } from '../clock.ts';
import { permissionsOf } from './people.ts';
import type { PrincipalSpec, RoleSpec } from './people.ts';
import type { Principal } from './principal.ts';
import { lastUseExactToMs, stateOf, tokenPattern, tokenRefused } from './token.ts';
import type { Token } from './token.ts';

type TokenTable = {
  readonly id: string;
  readonly principal: string;
  readonly description: string;
  readonly hash: Buffer;
  readonly created_at: Date;
  readonly created_by: string;
  readonly expires_at: Date;
  readonly revoked_at: Date | null;
  readonly revoked_by: string | null;
  readonly last_used_at: Date | null;
};
type Tables = { readonly token: TokenTable };
type Row = Omit<TokenTable, 'hash'>;
const columns = [
  'id',
  'principal',
  'description',
  'created_at',
  'created_by',
  'expires_at',
  'revoked_at',
  'revoked_by',
  'last_used_at',
] as const;

export interface NewToken {
  readonly principal: string;
  readonly description: string;
  readonly createdBy: string;
  readonly at: Date;
  readonly expiresAt: Date;
}

/** Draws a token and keeps its hash. The secret is in the answer and nowhere else. */
export async function saveNewToken(tx: Transaction, token: NewToken): Promise<{ readonly token: Token; readonly secret: string }> {
  const secret = `tg_${randomBytes(32).toString('base64url')}`;
  const row = await tx
    .withTables<Tables>()
    .insertInto('token')
    .values({
      id: `tok_${randomBytes(9).toString('hex')}`,
      principal: token.principal,
      description: token.description,
      hash: hashOf(secret),
      created_at: token.at,
      created_by: token.createdBy,
      expires_at: token.expiresAt,
      revoked_at: null,
      revoked_by: null,
      last_used_at: null,
    })
    .returning(columns)
    .executeTakeFirstOrThrow();
  return { token: tokenOf(row), secret };
}

/** Who holds this token, with roles and permissions as they are now; a Fault 401 otherwise. One read, and a write every five minutes. */
async function authenticate(db: Database, secret: string, now: Date): Promise<Principal> {
  if (!tokenPattern.test(secret)) throw tokenRefused('unknown');
  const row = await holderOf(db, secret);
  if (row === undefined) throw tokenRefused('unknown');
  const state = stateOf({ expiresAt: row.expires_at, revokedAt: row.revoked_at ?? undefined }, now);
  if (state !== 'active') throw tokenRefused(state);
  if (row.spec === null) throw tokenRefused('orphaned');
  if (row.last_used_at === null || now.getTime() - row.last_used_at.getTime() >= lastUseExactToMs) await noteUse(db, row.id, now);
  return principalOf(row.principal, row.spec, row.roles);
}

interface Holder {
  readonly id: string;
  readonly principal: string;
  readonly expires_at: Date;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
  readonly spec: PrincipalSpec | null;
  readonly roles: readonly { readonly name: string; readonly spec: RoleSpec }[];
}

async function holderOf(db: Database, secret: string): Promise<Holder | undefined> {
  const { rows } = await sql<Holder>`
    select token.id, token.principal, token.expires_at, token.revoked_at, token.last_used_at, holder.spec,
      coalesce((
        select jsonb_agg(jsonb_build_object('name', role.name, 'spec', role.spec) order by role.name)
        from resource role where role.kind = 'Role' and role.spec -> 'members' ? token.principal
      ), '[]'::jsonb) as roles
    from token left join resource holder on holder.kind = 'Principal' and holder.name = token.principal
    where token.hash = ${hashOf(secret)}`.execute(db);
  return rows[0];
}

/** A principal as it acts: its roles' permissions together, without a name this release does not know. */
function principalOf(name: string, spec: PrincipalSpec, roles: readonly { readonly name: string; readonly spec: RoleSpec }[]): Principal {
  return {
    name,
    kind: spec.kind,
    emails: spec.emails,
    roles: roles.map((role) => role.name),
    permissions: new Set(roles.flatMap((role) => permissionsOf(role.name, role.spec))),
    ...(spec.actsFor !== undefined && { actsFor: spec.actsFor }),
  };
}

async function noteUse(db: Database, id: string, now: Date): Promise<void> {
  await db.withTables<Tables>().updateTable('token').set({ last_used_at: now }).where('id', '=', id).execute();
}

/** Ends a token at once. Idempotent: a token that was revoked before stays as it was. A Fault 404 when there is none. */
export async function revokeToken(
  tx: Transaction,
  revocation: { readonly id: string; readonly by: string; readonly at: Date },
): Promise<{ readonly token: Token; readonly changed: boolean }> {
  const t = tx.withTables<Tables>();
  const revoked = await t
    .updateTable('token')
    .set({ revoked_at: revocation.at, revoked_by: revocation.by })
    .where('id', '=', revocation.id)
    .where('revoked_at', 'is', null)
    .returning(columns)
    .executeTakeFirst();
  if (revoked) return { token: tokenOf(revoked), changed: true };
  return { token: await loadToken(tx, revocation.id), changed: false };
}

export async function loadToken(reader: Reader, id: string): Promise<Token> {
  const row = await reader.withTables<Tables>().selectFrom('token').select(columns).where('id', '=', id).executeTakeFirst();
  if (row) return tokenOf(row);
  throw unknownToken(id);
}

/** Also what somebody is told who may not see it. */
export function unknownToken(id: string): Fault {
  return new Fault({
    code: 'token.not-found',
    status: 404,
    message: `expected the id of a token, got ${id.slice(0, 80)}`,
    remedy: 'List them: GET /api/v1/tokens.',
  });
}

export interface TokenQuery {
  /** Only of this principal. */
  readonly principal?: string;
  readonly afterId?: string;
  readonly limit: number;
}

export async function listTokens(reader: Reader, { principal, afterId, limit }: TokenQuery): Promise<readonly Token[]> {
  let query = reader.withTables<Tables>().selectFrom('token').select(columns).orderBy('id').limit(limit);
  if (principal !== undefined) query = query.where('principal', '=', principal);
  if (afterId !== undefined) query = query.where('id', '>', afterId);
  return (await query.execute()).map(tokenOf);
}

/** True when no token was ever made: the state of a new installation. */
export async function hasNoTokens(reader: Reader): Promise<boolean> {
  return (await reader.withTables<Tables>().selectFrom('token').select('id').limit(1).executeTakeFirst()) === undefined;
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function tokenOf(row: Row): Token {
  return {
    id: row.id,
    principal: row.principal,
    description: row.description,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    revokedBy: row.revoked_by ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}

/** `authenticate` bound to its database and clock, as the HTTP edge wants it. */
export function tokenAuthentication(db: Database, clock: Clock): (secret: string) => Promise<Principal> {
  return (secret) => authenticate(db, secret, clock.now());
}
