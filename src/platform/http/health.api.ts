import { sql } from 'kysely';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { read } from './route.ts';
import type { Route } from './route.ts';

const Alive = z.object({ status: z.literal('ok') });

/** `/healthz`: this process answers. `/readyz`: it also reaches its database (503 `database.unavailable` otherwise). */
export function healthRoutes({ db }: { readonly db: Database }): readonly Route[] {
  return [
    read({
      path: '/healthz',
      operation: 'isAlive',
      access: 'public',
      summary: 'Whether this process is alive',
      result: Alive,
      handle: async (_call) => ({ body: { status: 'ok' } }),
    }),
    read({
      path: '/readyz',
      operation: 'isReady',
      access: 'public',
      summary: 'Whether this process can serve: it reaches its database',
      result: Alive,
      handle: async (_call) => {
        await sql`select 1`.execute(db);
        return { body: { status: 'ok' } };
      },
    }),
  ];
}
