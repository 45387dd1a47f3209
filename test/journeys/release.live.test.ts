import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cast, Name } from '../../demo/cast.ts';
import { gather } from '../../demo/cast.ts';
import { gitAs } from '../../demo/git-people.ts';
import type { CliAnswer } from '../../demo/people.ts';

/** One platform of real processes for all of these; each test goes on where the one before it ended. */
let cast: Cast;

beforeAll(async () => {
  cast = await gather({ say: () => {}, port: 0, configure: (yaml) => allAtOnce(yaml).replaceAll(/soakSeconds: \d+/g, 'soakSeconds: 1') });
});
afterAll(async () => {
  await cast?.end();
});

function allAtOnce(yaml: string): string {
  return yaml.replace(/kind: canary\n\s+steps:\n(\s+- weight: \d+\n)+/, 'kind: all-at-once\n');
}

async function release(version: '1.0.0' | '1.1.0' | '1.2.0'): Promise<void> {
  await cast.repository.commitVersion(version);
  await cast.repository.signTag(version);
  await cast.repository.pushTag(version);
}

type Seen = {
  readonly state: string;
  readonly standing: { readonly code: string };
  readonly candidate?: { readonly digest: string };
  readonly deployments: readonly { readonly environment: string; readonly kind: string; readonly state: string }[];
};

async function see(id: string): Promise<Seen> {
  return (await cast.people.rita.run('status', id)).body as Seen;
}

async function until(id: string, holds: (seen: Seen) => boolean): Promise<Seen> {
  return expect
    .poll(() => see(id), { timeout: 90_000, interval: 300 })
    .toSatisfy(holds)
    .then(() => see(id));
}

async function approveAll(id: string): Promise<void> {
  const { candidate } = await until(id, (s) => s.standing.code === 'approval.missing-role');
  for (const name of ['sam', 'olga', 'bea'] as const) expect((await approve(name, id, candidate?.digest ?? '')).exit).toBe(0);
}

function approve(name: Name, id: string, digest: string): Promise<CliAnswer> {
  return cast.people[name].run('approve', id, '--candidate', digest);
}

async function versionOfShop(): Promise<string | null> {
  const answer = await fetch(`${cast.shop}/healthz`);
  await answer.body?.cancel();
  return answer.headers.get('x-tidegate-version');
}

async function post(
  name: Name,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly code?: string }> {
  const token = (await readFile(cast.people[name].tokenFile, 'utf8')).trim();
  const answer = await fetch(`${cast.platform.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const { code } = (await answer.json()) as { readonly code?: string };
  return { status: answer.status, ...(code ? { code } : {}) };
}

describe('a tag', () => {
  test('that is signed and annotated becomes a release that reaches production with the people’s consent', async () => {
    await release('1.0.0');
    await approveAll('storefront@1.0.0');

    await until('storefront@1.0.0', (s) => s.state === 'completed');
    expect(await versionOfShop()).toBe('1.0.0');
  });

  test.each([
    ['a lightweight tag', 'v7.0.0', ['tag', 'v7.0.0'], 'tag.lightweight'],
    ['an unsigned tag', 'v7.0.1', ['-c', 'tag.gpgSign=false', 'tag', '-a', '-m', 'unsigned', 'v7.0.1'], 'tag.unsigned'],
  ] as const)('is refused when it is %s', async (_, tag, command, code) => {
    const { work, people } = cast.repository;
    await gitAs(people.kim, work, [...command]);
    await gitAs(people.kim, work, ['push', '--quiet', 'origin', tag]);

    const answer = await cast.people.dana.run('release', 'create', '--application', 'storefront', '--tag', tag);
    expect([answer.exit, answer.problem?.code]).toEqual([2, code]);
  });

  test('is refused when its commit is on no protected branch', async () => {
    const { work, people } = cast.repository;
    await gitAs(people.dana, work, ['switch', '--quiet', '-c', 'side']);
    await gitAs(people.dana, work, ['commit', '--quiet', '--allow-empty', '-m', 'not merged']);
    await gitAs(people.dana, work, ['tag', '-s', '-m', 'side', 'v7.1.0']);
    await gitAs(people.dana, work, ['push', '--quiet', 'origin', 'side', 'v7.1.0']);
    await gitAs(people.dana, work, ['switch', '--quiet', 'main']);

    const answer = await cast.people.dana.run('release', 'create', '--application', 'storefront', '--tag', 'v7.1.0');
    expect([answer.exit, answer.problem?.code]).toEqual([2, 'tag.unreachable']);
  });

  test('is refused when it was moved, and asked for twice it stays one release', async () => {
    const again = await cast.people.dana.run('release', 'create', '--application', 'storefront', '--tag', 'v1.0.0');
    expect(again.problem).toMatchObject({ status: 409, code: 'release.exists' });

    const { bareRepository, work, people } = cast.repository;
    await gitAs(people.kim, bareRepository, ['config', 'receive.denyDeletes', 'false']);
    await gitAs(people.kim, work, ['tag', '-f', '-s', '-m', 'moved', 'v1.0.0']);
    await gitAs(people.kim, work, ['push', '--quiet', '--force', 'origin', 'v1.0.0']);
    const moved = await cast.people.dana.run('release', 'create', '--application', 'storefront', '--tag', 'v1.0.0');
    expect(moved.problem).toMatchObject({ status: 422, code: 'tag.moved' });
  });

  test('pushed by somebody without the right to release is refused', async () => {
    expect(await post('bea', '/api/v1/releases', { application: 'storefront', tag: 'v1.0.0' })).toEqual({
      status: 403,
      code: 'permission.missing',
    });
  });
});

describe('people who decide', () => {
  test('are refused when they wrote it, hold no role that is asked, or looked at another candidate', async () => {
    await release('1.1.0');
    const { candidate } = await until('storefront@1.1.0', (s) => s.standing.code === 'approval.missing-role');
    const digest = candidate?.digest ?? '';

    expect((await approve('dana', 'storefront@1.1.0', digest)).problem).toMatchObject({ status: 403, code: 'approval.author' });
    expect((await approve('rita', 'storefront@1.1.0', digest)).problem).toMatchObject({ status: 403, code: 'permission.missing' });
    expect((await approve('sam', 'storefront@1.1.0', `sha256:${'0'.repeat(64)}`)).problem).toMatchObject({
      status: 412,
      code: 'candidate.stale',
    });
  });

  test('say why when they reject, and may think again', async () => {
    const { candidate } = await see('storefront@1.1.0');
    const path = '/api/v1/releases/storefront@1.1.0/approvals';

    expect(await post('sam', path, { decision: 'reject', candidate: candidate?.digest })).toMatchObject({ status: 422 });
    expect(await post('sam', path, { decision: 'reject', candidate: candidate?.digest, reason: 'an open finding' })).toMatchObject({
      status: 201,
    });
    expect((await see('storefront@1.1.0')).standing.code).toBe('approval.rejected');
    expect(await post('sam', path, { decision: 'approve', candidate: candidate?.digest })).toMatchObject({ status: 201 });
  });

  test('decide once under one key: repeated it is answered again, with another body it is refused', async () => {
    const { candidate } = await see('storefront@1.1.0');
    const path = '/api/v1/releases/storefront@1.1.0/approvals';
    const key = { 'idempotency-key': 'olga-1' };

    expect(await post('olga', path, { decision: 'approve', candidate: candidate?.digest }, key)).toMatchObject({ status: 201 });
    expect(await post('olga', path, { decision: 'approve', candidate: candidate?.digest }, key)).toMatchObject({ status: 201 });
    expect(await post('olga', path, { decision: 'reject', candidate: candidate?.digest, reason: 'changed my mind' }, key)).toEqual({
      status: 422,
      code: 'idempotency.key-reused',
    });
  });

  test('come too late once the deployment has begun', async () => {
    const { candidate } = await see('storefront@1.1.0');
    expect((await approve('bea', 'storefront@1.1.0', candidate?.digest ?? '')).exit).toBe(0);
    await until('storefront@1.1.0', (s) => s.state === 'completed');

    expect((await approve('sam', 'storefront@1.1.0', candidate?.digest ?? '')).problem).toMatchObject({
      status: 409,
      code: 'approval.closed',
    });
    expect(await versionOfShop()).toBe('1.1.0');
  });
});

describe('going back', () => {
  test('from a completed release brings the version before to the users again, in a freeze too', async () => {
    const to = new Date(Date.now() + 3_600_000).toISOString();
    expect((await cast.people.olga.run('freeze', 'declare', 'stocktaking', '--to', to, '--reason', 'stock is counted')).exit).toBe(0);

    expect((await cast.people.rita.run('rollback', 'storefront@1.1.0', '--reason', 'wrong prices')).exit).toBe(0);
    const seen = await until('storefront@1.1.0', (s) => s.state === 'rolled-back');
    expect(seen.deployments.at(-1)).toMatchObject({ kind: 'restore', state: 'succeeded' });
    expect(await versionOfShop()).toBe('1.0.0');
    expect((await cast.people.olga.run('freeze', 'lift', 'stocktaking')).exit).toBe(0);
  });

  test('from a canary under way takes its share away at once', async () => {
    const text = await readFile(cast.configurationFile, 'utf8');
    const production = text.lastIndexOf('kind: all-at-once');
    const canary = 'kind: canary\n        steps: [{ weight: 50 }, { weight: 100 }]';
    await writeFile(cast.configurationFile, text.slice(0, production) + canary + text.slice(production + 'kind: all-at-once'.length));
    expect((await cast.administrator.run('apply', '-f', cast.configurationFile)).exit).toBe(0);
    await release('1.2.0');
    const { candidate } = await until('storefront@1.2.0', (seen) => seen.standing.code === 'approval.missing-role');
    // Dana's 1.1.0 was taken back, so her commits reach users with this release: she is its author as well.
    expect((await approve('dana', 'storefront@1.2.0', candidate?.digest ?? '')).problem).toMatchObject({ code: 'approval.author' });
    await approveAll('storefront@1.2.0');
    await until('storefront@1.2.0', (s) => s.deployments.some((d) => d.state === 'observing'));

    expect((await cast.people.rita.run('rollback', 'storefront@1.2.0', '--reason', 'complaints')).exit).toBe(0);
    await until('storefront@1.2.0', (s) => s.state === 'rolled-back');
    expect(await versionOfShop()).toBe('1.0.0');
  });

  test('is refused where there is nothing to take back', async () => {
    const answer = await cast.people.rita.run('rollback', 'storefront@1.2.0', '--reason', 'once more');

    expect(answer.problem).toMatchObject({ status: 409, code: 'rollback.nothing' });
  });
});

test('why answers with a tree, plan with who is asked, and neither changes anything', async () => {
  const why = await cast.people.rita.run('why', 'storefront@1.2.0');
  const plan = await cast.people.rita.run('plan', 'storefront@1.0.0', '--to', 'production');

  expect(why.body).toMatchObject({
    effect: 'deny',
    children: expect.arrayContaining([expect.objectContaining({ subject: 'stage production' })]),
  });
  expect(plan.body).toMatchObject({ stages: [{ standing: 'passed' }, { standing: 'passed' }] });
});

test('the ledger of all this verifies, and an edited row is named', async () => {
  const file = `${cast.home}/ledger.jsonl`;
  expect((await cast.administrator.run('audit', 'export', '--database-url', cast.platform.databaseUrl, '--out', file)).exit).toBe(0);
  expect((await cast.administrator.run('audit', 'verify', '--file', file)).body).toMatchObject({ verdict: 'verified' });

  await writeFile(file, (await readFile(file, 'utf8')).replace('approval.refused', 'approval.adopted'));
  const touched = await cast.administrator.run('audit', 'verify', '--file', file);
  expect(touched.exit).toBe(1);
  expect(touched.body).toMatchObject({ verdict: 'failed', firstBadIndex: expect.any(Number) });
});
