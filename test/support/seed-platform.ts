import { tidegateKinds } from '../../src/kinds.ts';
import type { Database } from '../../src/platform/database/database.ts';
import type { NoteSigner } from '../../src/platform/ledger/signed-note.ts';
import { applyFiles } from '../../src/platform/resources/index.ts';
import { seedLedger } from './seed-ledger.ts';
import { seedReleases } from './seed-releases.ts';

export interface PlatformSeed {
  readonly applications: number;
  readonly releases: number;
  readonly entries: number;
  /** Freezes ever declared: nine of ten are over. */
  readonly freezes: number;
  readonly ledgerKey: NoteSigner;
  readonly now: Date;
}

/** Ids and names to ask for. */
export interface SeededPlatform {
  readonly applications: readonly string[];
  /** Oldest first. */
  readonly releases: readonly string[];
}

/** A migrated, empty database becomes one that has served for years: configuration, releases and ledger. No process may use it meanwhile. */
export async function seedPlatform(db: Database, seed: PlatformSeed): Promise<SeededPlatform> {
  const applications = Array.from({ length: seed.applications }, (_, i) => `shop-${String(i).padStart(2, '0')}`);
  await seedResources(db, applications, seed);
  const releases = await seedReleases(db, { releases: seed.releases, applications, newestAt: seed.now });
  const oldest = new Date(seed.now.getTime() - seed.entries * 1_000);
  await seedLedger(db, { entries: seed.entries, releases, key: seed.ledgerKey, at: oldest });
  return { applications, releases };
}

async function seedResources(db: Database, applications: readonly string[], { freezes, now }: PlatformSeed): Promise<void> {
  const resources = [
    ...environments(applications),
    ...applications.flatMap((name) => [applicationOf(name), pipelineOf(name)]),
    ...Array.from({ length: freezes }, (_, i) => freezeOf(i, now)),
    ...people,
  ];
  const text = resources.map((resource) => JSON.stringify({ apiVersion: 'tidegate.dev/v1', ...resource })).join('\n---\n');
  const principal = { name: 'system:seed', kind: 'system', emails: [], roles: [], permissions: new Set(['freeze.declare']) } as const;
  const kinds = tidegateKinds({ wake: async () => {} });
  await db.transaction().execute((tx) => applyFiles(tx, { files: [{ name: 'seed.yaml', text }], principal, at: now }, kinds));
}

const members = { developer: ['dana', 'kim'], security: ['sam'], operations: ['olga'], business: ['bea'], auditor: ['auditor'] };
const people = [
  ...Object.values(members)
    .flat()
    .map((name) => ({
      kind: 'Principal',
      metadata: { name },
      spec: { kind: 'person', displayName: name, emails: [`${name}@storefront.example`] },
    })),
  ...Object.entries(members).map(([name, names]) => ({ kind: 'Role', metadata: { name }, spec: { members: names } })),
];

function applicationOf(name: string): object {
  const spec = {
    repository: `https://git.example/${name}.git`,
    allowedSigners: [{ principal: 'dana', key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINotAKeyOfAnybodyAtAllButLongEnough0000' }],
    build: { command: ['node', 'build.mjs'] },
    run: { command: ['node', 'server.mjs'] },
    configuration: { CURRENCY: 'EUR', WAREHOUSE_URL: 'http://127.0.0.1:4600' },
  };
  return { kind: 'Application', metadata: { name }, spec };
}

function environments(applications: readonly string[]): readonly object[] {
  return ['staging', 'production'].map((name, tier) => ({
    kind: 'Environment',
    metadata: { name },
    spec: {
      tier: name,
      applications: Object.fromEntries(
        applications.map((application, i) => [
          application,
          { port: 5_000 + 1_000 * tier + i, configuration: { BANNER: `The ${name} shop.` } },
        ]),
      ),
    },
  }));
}

function pipelineOf(name: string): object {
  const healthCheck = { path: '/healthz', consecutive: 3 };
  const gate = { kind: 'approval', roles: { security: 1, operations: 1, business: 1 } };
  const canary = { kind: 'canary', steps: [{ weight: 5 }, { weight: 25 }, { weight: 100 }] };
  const spec = {
    application: name,
    stages: [
      { name: 'staging', environment: 'staging', strategy: { kind: 'all-at-once' }, healthCheck, soakSeconds: 3 },
      { name: 'production', environment: 'production', gates: [gate], strategy: canary, healthCheck, soakSeconds: 5 },
    ],
    rollback: { criteria: [{ name: 'errors', metric: 'error-rate', owner: 'operations' }] },
  };
  return { kind: 'Pipeline', metadata: { name }, spec };
}

function freezeOf(nth: number, now: Date): object {
  const days = nth % 10 === 0 ? nth + 1 : -nth - 1;
  const from = new Date(now.getTime() + days * 86_400_000);
  const to = new Date(from.getTime() + 3_600_000);
  const spec = { from: from.toISOString(), to: to.toISOString(), environments: ['production'], reason: 'stocktaking' };
  return { kind: 'Freeze', metadata: { name: `stocktaking-${nth}` }, spec };
}
