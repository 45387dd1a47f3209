import type { ChildProcessByStdio } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildOnce } from '../src/artifacts/index.ts';
import { createDirectoryStore } from '../src/drivers/directory-store/directory-store.ts';
import { createGitSource } from '../src/drivers/git/git-source.ts';
import { createHostBuildRunner } from '../src/drivers/host-build/host-build-runner.ts';
import { tidegateKinds } from '../src/kinds.ts';
import { parseResources } from '../src/platform/resources/index.ts';
import { checkApply } from '../src/platform/resources/plan.ts';
import type { StorefrontRepository, StorefrontVersion } from './storefront-repository.ts';
import { createStorefrontRepository } from './storefront-repository.ts';

const versions = ['1.0.0', '1.1.0', '1.2.0'] as const satisfies readonly StorefrontVersion[];
let root: string;
let repository: StorefrontRepository;
const commits: Record<string, string> = {};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidegate-storefront-'));
  repository = await createStorefrontRepository({ directory: join(root, 'origin') });
  for (const version of versions) {
    commits[version] = await repository.commitVersion(version);
    await repository.signTag(version);
    await repository.pushTag(version);
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

const source = () => createGitSource({ home: join(root, 'home') });
const store = () => createDirectoryStore({ home: join(root, 'home') });
const build = (version: string, scratch: string) =>
  buildOnce({
    source: source(),
    runner: createHostBuildRunner(),
    store: store(),
    request: {
      repository: repository.bareRepository,
      commit: commits[version] ?? '',
      scratch: join(root, 'builds', scratch),
      command: ['node', 'build.mjs'],
      output: 'dist',
      timeoutMs: 60_000,
      maxBytes: 50 * 1024 * 1024,
      environmentVariables: { SOURCE_COMMIT: commits[version] ?? '' },
    },
  });

test('the tags are signed by the author of their version', async () => {
  const verified = await Promise.all(
    versions.map((version) =>
      source().verifyTag({
        repository: repository.bareRepository,
        tag: `v${version}`,
        allowedSigners: repository.signers,
        protectedBranches: ['main'],
      }),
    ),
  );
  expect(verified.map((tag) => [tag.name, tag.commit, tag.signer])).toEqual([
    ['v1.0.0', commits['1.0.0'], 'kim'],
    ['v1.1.0', commits['1.1.0'], 'dana'],
    ['v1.2.0', commits['1.2.0'], 'kim'],
  ]);
});

test('1.1.0 was written by Dana and Lee', async () => {
  const authors = await source().listAuthors({
    repository: repository.bareRepository,
    commit: commits['1.1.0'] ?? '',
    since: commits['1.0.0'] ?? '',
  });
  expect(authors.map((author) => author.email)).toEqual(['dana@storefront.example', 'lee@storefront.example']);
});

test('each version builds to the same bytes twice, and no two versions to the same', async () => {
  const first = await Promise.all(versions.map((version) => build(version, `a-${version}`)));
  const second = await Promise.all(versions.map((version) => build(version, `b-${version}`)));

  expect(second.map((result) => result.digest)).toEqual(first.map((result) => result.digest));
  expect(new Set(first.map((result) => result.digest)).size).toBe(3);
});

test('the configuration is what Tidegate takes, with the repository and the signers filled in', async () => {
  const kinds = tidegateKinds({ wake: () => Promise.resolve() });
  const { resources, faults } = parseResources([{ name: 'tidegate.yaml', text: await repository.configuration() }], kinds);

  expect([...faults, ...checkApply(resources, [], kinds)]).toEqual([]);
  const application = resources.find(({ kind }) => kind === 'Application');
  expect(application?.spec).toMatchObject({ repository: repository.bareRepository, allowedSigners: repository.signers });
});

describe('the shop', () => {
  const running: ChildProcessByStdio<null, Readable, null>[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
  });

  async function startShop(version: string, variables: Record<string, string> = {}) {
    const directory = await mkdtemp(join(root, 'run-'));
    const { digest } = await build(version, `run-${version}`);
    execFileSync('tar', ['-xf', await store().pathOf(digest), '-C', directory]);
    const child = spawn(process.execPath, ['server.mjs'], {
      cwd: directory,
      env: { PORT: '0', ...variables },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    running.push(child);
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
    await expect.poll(() => printed, { timeout: 20_000 }).toContain('listening on');
    const port = Number(/listening on (\d+)/.exec(printed)?.[1]);
    return { child, url: `http://127.0.0.1:${port}`, log: () => printed };
  }

  test('sells: window, catalogue, cart, checkout; and refuses what it does not sell', async () => {
    const { url } = await startShop('1.1.0', { CURRENCY: 'EUR', BANNER: '<Spring & tide>' });
    const retried = async (path: string, init?: RequestInit) => {
      for (;;) {
        const response = await fetch(url + path, init);
        if (response.status !== 503) return response;
      }
    };
    const post = (path: string, body: unknown, cookie = '') =>
      retried(path, { method: 'POST', body: JSON.stringify(body), headers: { cookie } });

    expect(await (await retried('/')).text()).toContain('&#60;Spring &#38; tide&#62;');
    expect(await (await retried('/products')).json()).toMatchObject({
      currency: 'EUR',
      products: expect.arrayContaining([{ id: 'lamp', name: 'Reading lamp', price: 6900 }]),
    });
    expect(await (await retried('/products/kettle')).json()).toMatchObject({
      price: 3900,
      alsoBought: [{ id: 'teapot' }, { id: 'cups' }, { id: 'blanket' }],
    });
    const cart = await post('/cart', { product: 'kettle', quantity: 2 });
    expect(await cart.json()).toMatchObject({ items: [{ product: 'kettle', quantity: 2 }], total: 7800 });
    const cookie = (cart.headers.get('set-cookie') ?? '').split(';')[0];
    expect(await (await post('/checkout', undefined, cookie)).json()).toEqual({ reserved: 2, total: 7800, currency: 'EUR' });
    expect(await (await post('/checkout', { items: [{ product: 'rope', quantity: 3 }] })).json()).toEqual({
      reserved: 3,
      total: 3600,
      currency: 'EUR',
    });

    expect((await post('/checkout', {})).status).toBe(409);
    expect((await post('/cart', { product: 'moon' })).status).toBe(404);
    expect((await post('/cart', { product: 'kettle', quantity: -1 })).status).toBe(400);
    expect((await retried('/cart', { method: 'POST', body: 'x'.repeat(20_000) })).status).toBe(413);
    expect((await retried('/cart', { method: 'POST', body: '{' })).status).toBe(400);
    expect((await retried('/nowhere')).status).toBe(404);
    expect((await retried('/cart')).status).toBe(405);
  });

  test('says its version and commit, and counts its requests under them', async () => {
    const { url } = await startShop('1.0.0');
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok', version: '1.0.0', commit: commits['1.0.0'] });
    await fetch(`${url}/nowhere`);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(
      'storefront_requests_total{version="1.0.0",route="other",status="404"} 1',
    );
  });

  test('on SIGTERM finishes what is under way and ends with status 0', async () => {
    const { url, child, log } = await startShop('1.0.0');
    const answers = Promise.all(Array.from({ length: 20 }, () => fetch(url).then((response) => response.text())));
    const ended = once(child, 'exit');
    await expect.poll(async () => (await (await fetch(`${url}/metrics`)).text()).includes('in_flight')).toBe(true);
    child.kill('SIGTERM');

    await answers;
    expect(await ended).toEqual([0, null]);
    expect(log()).toContain('stopping after SIGTERM');
  });

  /** 16,000 requests: the bounds are four standard deviations of what the code says (0.5 %, 1.97 % in runs of four). */
  test.each([
    ['1.0.0', 44, 116],
    ['1.1.0', 44, 116],
    ['1.2.0', 175, 455],
  ])('%s fails as often as its code says, on every page', async (version, least, most) => {
    const { url } = await startShop(version);
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    const pages = ['/', '/products', '/products/lamp', '/products/rope'];
    const failed = new Map<string, number>();
    let sent = 0;
    const customer = async () => {
      while (sent < 16_000) {
        const path = pages[sent % pages.length] ?? '/';
        sent += 1;
        if ((await statusOf(url + path, agent)) >= 500) failed.set(path, (failed.get(path) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 50 }, customer));
    agent.destroy();

    // Seen: 72 to 86, and 266 to 345 of 16,000.
    const all = [...failed.values()].reduce((sum, one) => sum + one, 0);
    expect(all).toBeGreaterThan(least);
    expect(all).toBeLessThan(most);
    expect([...failed.keys()].toSorted()).toEqual(pages);
  });
});

function statusOf(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end();
  });
}

describe('the post-receive hook', () => {
  let server: Server;
  let heard: { headers: IncomingHttpHeaders; body: string }[] = [];
  let answers: { status: number; body: unknown }[] = [];
  let url: string;
  let shop: StorefrontRepository;
  let tokenFile: string;

  beforeAll(async () => {
    server = createServer((incoming, response) => {
      let body = '';
      incoming.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      incoming.on('end', () => {
        heard.push({ headers: incoming.headers, body });
        const answer = answers.shift() ?? { status: 500, body: {} };
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await mkdir(join(root, 'with a hook'));
    shop = await createStorefrontRepository({ directory: join(root, 'with a hook') });
    tokenFile = join(root, 'token');
    await writeFile(tokenFile, 'tide_secret\n', { mode: 0o600 });
    await shop.installPostReceiveHook({ url, tokenFile });
  });
  afterAll(() => server.close());

  async function push(version: StorefrontVersion, ...given: { status: number; body: unknown }[]) {
    heard = [];
    answers = given;
    await shop.commitVersion(version);
    const tagObject = await shop.signTag(version);
    return { tagObject, said: await shop.pushTag(version) };
  }

  test('asks for the release with the token and one key per tag object, again after a 503, and tells the pusher', async () => {
    const { tagObject, said } = await push('1.0.0', { status: 503, body: {} }, { status: 201, body: { id: 'storefront@1.0.0' } });

    expect(heard).toHaveLength(2);
    expect(heard[1]?.headers).toMatchObject({ authorization: 'Bearer tide_secret', 'idempotency-key': `tag-${tagObject}` });
    expect(JSON.parse(heard[1]?.body ?? '')).toEqual({ application: 'storefront', tag: 'v1.0.0' });
    expect(said).toEqual([
      'tidegate: v1.0.0: 503, trying again',
      'tidegate: v1.0.0: release storefront@1.0.0 is on its way. Follow it: tidegate watch storefront@1.0.0',
    ]);
  });

  test('shows a refusal with its remedy, once, and without control characters; the push stands', async () => {
    const { said } = await push('1.1.0', {
      status: 422,
      body: { code: 'tag.unsigned', detail: 'expected a signature\u001b[2J', remedy: 'Sign it.' },
    });

    expect(heard).toHaveLength(1);
    expect(said).toEqual(['tidegate: v1.1.0: refused, expected a signature [2J (tag.unsigned)', 'tidegate:   Sign it.']);
  });

  test('does not read a token that others can read', async () => {
    await chmod(tokenFile, 0o644);
    const { said } = await push('1.2.0');

    expect(heard).toEqual([]);
    expect(said.join()).toContain('mode 0600');
    expect(said.join()).not.toContain('tide_secret');
  });
});
