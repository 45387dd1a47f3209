import { sql } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import { transact } from '../database/retry.ts';
import { recordChange } from '../ledger/record.store.ts';
import { saveResource } from '../resources/apply.store.ts';
import { kindsOf } from '../resources/kinds.ts';
import { findResource } from '../resources/resource.store.ts';
import { principalKind, roleKind } from './people.ts';
import type { Principal } from './principal.ts';
import { longestLifeDays } from './token.ts';
import { hasNoTokens, saveNewToken } from './token.store.ts';

const installation: Principal = { name: 'system:installation', kind: 'system', emails: [], roles: [], permissions: new Set() };
const name = 'administrator';

/**
 * Makes the first token of a new installation: Principal and Role `administrator` and a token, in one transaction. The
 * answer is the token, once; undefined whenever any token was ever made, however many processes start at the same moment.
 * `keep` runs before the commit: a process killed in between leaves no token that nobody knows.
 */
export async function ensureFirstAdministrator(
  db: Database,
  clock: Clock,
  keep: (secret: string) => Promise<void> = async () => {},
): Promise<string | undefined> {
  if (!(await hasNoTokens(db))) return undefined;
  return transact(db, async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('tidegate first administrator', 0))`.execute(tx);
    if (!(await hasNoTokens(tx))) return undefined;
    const at = clock.now();
    const kinds = kindsOf([principalKind, roleKind]);
    const person = { kind: 'Principal', name, labels: {}, spec: { kind: 'person', displayName: 'First administrator', emails: [] } };
    const role = { kind: 'Role', name, labels: {}, spec: { members: [name] } };
    for (const after of [person, role]) {
      const kind = after.kind === 'Role' ? roleKind : principalKind;
      const before = await findResource(tx, kind.kind, name);
      if (before === undefined) await saveResource(tx, { after, before, principal: installation, at }, kinds);
    }
    const expiresAt = new Date(at.getTime() + longestLifeDays * 24 * 60 * 60 * 1000);
    const { token, secret } = await saveNewToken(tx, {
      principal: name,
      description: 'first run',
      createdBy: installation.name,
      at,
      expiresAt,
    });
    await recordChange(tx, {
      actor: installation.name,
      action: 'token.created',
      subject: `token/${token.id}`,
      related: [`principal/${name}`],
      after: { principal: name, expiresAt: expiresAt.toISOString() },
      at,
    });
    await keep(secret);
    return secret;
  });
}
