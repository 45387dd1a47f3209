import { stringify } from 'yaml';

export interface ChaosApplication {
  readonly name: string;
  /** Where users come in. */
  readonly ports: Readonly<Record<Environment, number>>;
}

export const environments = ['staging', 'production'] as const;
type Environment = (typeof environments)[number];

export interface ConfigurationParts {
  readonly repository: string;
  readonly signers: readonly { readonly principal: string; readonly key: string }[];
  readonly applications: readonly ChaosApplication[];
}

/** Who must approve before production; each role has one member. */
export const approvers = { security: 'sam', operations: 'olga', business: 'bea' } as const;
export const developer = 'dana';

/** The tag of a version: one repository holds every application. */
export function tagOf(application: string, version: string): string {
  return `${application}-v${version}`;
}

/** Like the storefront's own configuration, with shorter soaks and shares that get a verdict within half a minute. */
export function renderConfiguration(parts: ConfigurationParts): string {
  const documents = [
    ...parts.applications.flatMap(({ name }) => [applicationOf(name, parts), pipelineOf(name)]),
    ...environments.map((name) => environmentOf(name, parts.applications)),
    ...[developer, 'kim', ...Object.values(approvers)].map(personOf),
    resource('Role', 'developer', { members: [developer, 'kim'] }),
    ...Object.entries(approvers).map(([role, member]) => resource('Role', role, { members: [member] })),
  ];
  return documents.map((document) => stringify(document)).join('---\n');
}

function resource(kind: string, name: string, spec: object): object {
  return { apiVersion: 'tidegate.dev/v1', kind, metadata: { name }, spec };
}

function personOf(name: string): object {
  return resource('Principal', name, { kind: 'person', displayName: name, emails: [`${name}@storefront.example`] });
}

function applicationOf(name: string, { repository, signers }: ConfigurationParts): object {
  return resource('Application', name, {
    repository,
    tagPattern: tagOf(name, '{version}'),
    protectedBranches: ['main'],
    allowedSigners: signers,
    build: { command: ['node', 'build.mjs'], output: 'dist', timeoutSeconds: 120, maxMegabytes: 50 },
    run: { command: ['node', 'server.mjs'] },
    configuration: { CURRENCY: 'EUR' },
  });
}

function environmentOf(name: Environment, applications: readonly ChaosApplication[]): object {
  return resource('Environment', name, {
    tier: name,
    applications: Object.fromEntries(applications.map((each) => [each.name, { port: each.ports[name] }])),
  });
}

function pipelineOf(name: string): object {
  // On a machine that restarts databases beside it, an application may answer late; only one that stays silent is unhealthy.
  const healthCheck = { path: '/healthz', consecutive: 2, intervalSeconds: 0.5, timeoutSeconds: 10, deadlineSeconds: 120 };
  const quorum = Object.fromEntries(Object.keys(approvers).map((role) => [role, 1]));
  return resource('Pipeline', name, {
    application: name,
    stages: [
      { name: 'staging', environment: 'staging', gates: [], strategy: { kind: 'all-at-once' }, healthCheck, soakSeconds: 1 },
      {
        name: 'production',
        environment: 'production',
        gates: [{ kind: 'approval', roles: quorum, expiresHours: 72 }],
        strategy: { kind: 'canary', steps: [{ weight: 25 }, { weight: 50 }, { weight: 100 }] },
        healthCheck,
        soakSeconds: 2,
      },
    ],
    rollback: {
      // A good version fails 2 % of requests, a bad one 33 %: at 60 requests a second a good step takes about 10 s.
      criteria: [
        {
          name: 'errors',
          metric: 'error-rate',
          owner: 'operations',
          alpha: 0.01,
          nonInferiorityRatio: 6,
          beta: 0.01,
          minimumSeconds: 3,
          deadlineSeconds: 600,
        },
      ],
    },
  });
}
