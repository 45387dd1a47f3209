import { sql } from 'kysely';
import type { Reader, Transaction } from '../platform/database/database.ts';

type LaneRow = {
  readonly application: string;
  readonly environment: string;
  readonly holder: string | null;
  readonly live_deployment: string | null;
};

type Tables = {
  lane: LaneRow;
  deployment: { readonly id: string; readonly runs_release: string };
  release: { readonly id: string; readonly created_at: Date; readonly version: string };
};

export interface Lane {
  readonly environment: string;
  readonly holder?: string;
  readonly live?: { readonly deployment: string; readonly release: string; readonly version: string; readonly releaseCreatedAt: Date };
}

/** Every environment's lane of an application. */
export async function listLanes(reader: Reader, application: string): Promise<readonly Lane[]> {
  const rows = await reader
    .withTables<Tables>()
    .selectFrom('lane')
    .leftJoin('deployment', 'deployment.id', 'lane.live_deployment')
    .leftJoin('release', 'release.id', 'deployment.runs_release')
    .select([
      'lane.environment',
      'lane.holder',
      'deployment.id as deployment',
      'release.id as release',
      'release.version',
      'release.created_at',
    ])
    .where('lane.application', '=', application)
    .limit(1000)
    .execute();
  return rows.map((r) => ({
    environment: r.environment,
    ...(r.holder === null ? {} : { holder: r.holder }),
    ...(r.deployment && r.release && r.version && r.created_at
      ? { live: { deployment: r.deployment, release: r.release, version: r.version, releaseCreatedAt: r.created_at } }
      : {}),
  }));
}

/** True when the lane is now this release's; idempotent. The row lock makes two takers wait for each other. */
export async function takeLane(tx: Transaction, application: string, environment: string, release: string): Promise<boolean> {
  const taken = await tx
    .withTables<Tables>()
    .insertInto('lane')
    .values({ application, environment, holder: release, live_deployment: null })
    .onConflict((c) =>
      c
        .columns(['application', 'environment'])
        .doUpdateSet({ holder: release })
        .where((eb) => eb.or([eb('lane.holder', 'is', null), eb('lane.holder', '=', release)])),
    )
    .returning('holder')
    .executeTakeFirst();
  return taken !== undefined;
}

export async function giveLaneBack(tx: Transaction, application: string, environment: string, release: string): Promise<void> {
  await tx
    .withTables<Tables>()
    .updateTable('lane')
    .set({ holder: null })
    .where('application', '=', application)
    .where('environment', '=', environment)
    .where('holder', '=', release)
    .execute();
}

export async function setLive(tx: Transaction, application: string, environment: string, deployment: string): Promise<void> {
  await tx
    .withTables<Tables>()
    .insertInto('lane')
    .values({ application, environment, holder: null, live_deployment: deployment })
    .onConflict((c) => c.columns(['application', 'environment']).doUpdateSet({ live_deployment: sql`excluded.live_deployment` }))
    .execute();
}
