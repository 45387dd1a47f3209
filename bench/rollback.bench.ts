import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGitPerson, gitAs, type GitPerson } from '../demo/git-people.ts';
import { startTraffic, type Traffic } from '../demo/load.ts';
import { type Client, createClient, unwrap } from '../src/client/client.ts';
import { startPlatform } from '../src/start-platform.ts';
import { cleaningUp, freePort, median, withScratchHome } from './scratch-home.ts';

type Report = (name: string, value: number) => void;

const rollbacks = 5;
const ratePerSecond = 300;
const patienceMs = 120_000;

interface Rollback {
  /** From the verdict to the share of the canary being zero, as the deployment's row says. */
  readonly toZeroShareMs: number;
  /** From the verdict to the last answer a user got from the canary, as users saw it: a check on the row. */
  readonly toLastAnswerMs: number;
}

/**
 * `rollback.verdict_to_zero_share_ms`: the whole platform, a real application under traffic, and five releases in a row
 * that fail every request; median of the five. The instants are those of the row (`decided_at`, `zero_share_at`);
 * `rollback.verdict_to_last_canary_answer_ms` is the worst of the five as users saw it.
 */
export async function rollbackBench(report: Report): Promise<void> {
  await withScratchHome(async (home) => {
    const platform = await startPlatform({ home: join(home, 'tg'), port: 0 });
    await cleaningUp(
      () => platform.stop({ all: true }),
      async () => {
        const seen = await rollBackAll(home, platform);
        report('rollback.verdict_to_zero_share_ms', median(seen.map(({ toZeroShareMs }) => toZeroShareMs)));
        report('rollback.verdict_to_last_canary_answer_ms', Math.max(...seen.map(({ toLastAnswerMs }) => toLastAnswerMs)));
      },
    );
  });
}

async function rollBackAll(
  home: string,
  platform: { readonly url: string; readonly adminToken: string | undefined },
): Promise<readonly Rollback[]> {
  const repository = await createRepository(join(home, 'git'));
  const port = await freePort();
  const client = await introduce(platform, repository, port);
  await repository.tag('1.0.0', 'ok');
  const first = await released(client, '1.0.0');
  if (first.state !== 'completed') throw new Error(`expected 1.0.0 to complete, got ${first.state}: ${first.standing.sentence}`);
  const lastAnswerOf = new Map<string, number>();
  const traffic = startTraffic({
    url: `http://127.0.0.1:${port}`,
    ratePerSecond,
    users: 5_000,
    paths: ['/'],
    onResult: ({ version, at }) => void (version !== undefined && lastAnswerOf.set(version, at.getTime())),
  });
  const seen: Rollback[] = [];
  try {
    for (let i = 1; i <= rollbacks; i++) seen.push(await rollBackOne({ client, repository, traffic, lastAnswerOf }, `1.${i}.0`));
  } finally {
    await traffic.stop();
  }
  return seen;
}

interface Bench {
  readonly client: Client;
  readonly repository: Repository;
  readonly traffic: Traffic;
  readonly lastAnswerOf: ReadonlyMap<string, number>;
}

async function rollBackOne({ client, repository, traffic, lastAnswerOf }: Bench, version: string): Promise<Rollback> {
  await repository.tag(version, 'broken');
  const release = await released(client, version);
  const deployment = release.deployments.at(-1);
  const { decidedAt, zeroShareAt } = deployment ?? {};
  if (release.state !== 'rolled-back' || decidedAt === undefined || zeroShareAt === undefined)
    throw new Error(`expected ${version} to be rolled back, got ${release.state}: ${release.standing.sentence}`);
  const lastAnswer = lastAnswerOf.get(version);
  if (lastAnswer === undefined || (traffic.snapshot().byVersion[version]?.errors ?? 0) === 0)
    throw new Error(`expected users to meet ${version} before it was rolled back, got none: it was not the judge who ended it`);
  return { toZeroShareMs: Date.parse(zeroShareAt) - Date.parse(decidedAt), toLastAnswerMs: lastAnswer - Date.parse(decidedAt) };
}

/** Asks for the release of the tag and waits for its end. */
async function released(client: Client, version: string) {
  const { id } = await unwrap(client.POST('/api/v1/releases', { body: { application: 'bench', tag: `v${version}` } }));
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const release = await unwrap(client.GET('/api/v1/releases/{release}', { params: { path: { release: id } } }));
    if (release.state !== 'active' && release.state !== 'rolling-back') return release;
    if (performance.now() > giveUpAt) throw new Error(`expected ${id} to end within two minutes, got: ${release.standing.sentence}`);
    await sleep(200);
  }
}

interface Repository {
  readonly address: string;
  readonly owner: GitPerson;
  /** Commits the application with this behaviour and tags it `vVERSION`, signed. */
  tag(version: string, behaviour: 'ok' | 'broken'): Promise<void>;
}

/** Healthy either way: only users meet what is broken. */
const serverOf = (version: string, behaviour: 'ok' | 'broken'): string => `// ${version}
import { createServer } from 'node:http';
createServer((request, response) => {
  const isProbe = request.url === '/healthz';
  response.writeHead(isProbe || ${behaviour === 'ok'} ? 200 : 500).end('${version}');
}).listen(Number(process.env.PORT), '127.0.0.1');
`;

async function createRepository(folder: string): Promise<Repository> {
  const address = join(folder, 'work');
  await mkdir(address, { recursive: true });
  const owner = await createGitPerson(join(folder, 'keys'), { name: 'dana', displayName: 'Dana', email: 'dana@bench.example' });
  await gitAs(owner, address, ['init', '--quiet']);
  return {
    address,
    owner,
    tag: async (version, behaviour) => {
      await writeFile(join(address, 'server.mjs'), serverOf(version, behaviour));
      await gitAs(owner, address, ['add', '--all']);
      await gitAs(owner, address, ['commit', '--quiet', '-m', version]);
      await gitAs(owner, address, ['tag', '--sign', `v${version}`, '-m', version]);
    },
  };
}

async function introduce(
  { url, adminToken }: { readonly url: string; readonly adminToken: string | undefined },
  { address, owner }: Repository,
  port: number,
): Promise<Client> {
  if (adminToken === undefined) throw new Error('expected the token of the first administrator, got none');
  const administrator = createClient({ server: url, token: adminToken });
  const text = resourcesOf(address, owner, port)
    .map((resource) => JSON.stringify({ apiVersion: 'tidegate.dev/v1', ...resource }))
    .join('\n---\n');
  await unwrap(administrator.POST('/api/v1/resources', { body: { files: [{ name: 'bench.yaml', text }] } }));
  const { token } = await unwrap(administrator.POST('/api/v1/tokens', { body: { principal: 'dana', description: 'bench' } }));
  return createClient({ server: url, token });
}

function resourcesOf(repository: string, owner: GitPerson, port: number): readonly object[] {
  const build = { command: ['node', '-e', `fs.mkdirSync('dist');fs.copyFileSync('server.mjs','dist/server.mjs')`] };
  const strategy = { kind: 'canary', steps: [{ weight: 20 }, { weight: 100 }] };
  const stage = { name: 'production', environment: 'production', strategy, healthCheck: { path: '/healthz', consecutive: 1 } };
  return [
    {
      kind: 'Application',
      metadata: { name: 'bench' },
      spec: {
        repository,
        allowedSigners: [{ principal: owner.name, key: owner.publicKey }],
        build,
        run: { command: ['node', 'server.mjs'] },
      },
    },
    { kind: 'Environment', metadata: { name: 'production' }, spec: { tier: 'production', applications: { bench: { port } } } },
    {
      kind: 'Pipeline',
      metadata: { name: 'bench' },
      spec: { application: 'bench', stages: [stage], rollback: { criteria: [{ name: 'errors', metric: 'error-rate', owner: 'dana' }] } },
    },
    { kind: 'Principal', metadata: { name: owner.name }, spec: { kind: 'person', displayName: owner.displayName, emails: [owner.email] } },
    { kind: 'Role', metadata: { name: 'release-manager' }, spec: { members: [owner.name] } },
    { kind: 'Role', metadata: { name: 'developer' }, spec: { members: [owner.name] } },
  ];
}
