import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase } from '../../../test/support/database.ts';
import type { TestDatabase } from '../../../test/support/database.ts';
import { ask, testHttp, tokenWith } from '../../../test/support/http.ts';
import type { Answered, Asked } from '../../../test/support/http.ts';
import { boxKind, toyChanges, toyKind, toyKinds } from '../../../test/support/toy-kinds.ts';
import { systemClock } from '../clock.ts';
import { mountRoutes } from '../http/index.ts';
import { findResource, findResourceVersion, listResources, loadResource, resourceRoutes } from './index.ts';

let database: TestDatabase;
let app: FastifyInstance;
let token: string;

beforeAll(async () => {
  database = await testDatabase();
  app = await testHttp({ db: database.db, settings: { logLevel: 'silent' } });
  mountRoutes(app, { db: database.db, clock: systemClock, checkAnswers: true }, resourceRoutes({ db: database.db, kinds: toyKinds }));
  token = await tokenWith(database.db, 'ann', ['resource.read', 'resource.apply', 'resource.delete', 'freeze.declare']);
});

afterAll(async () => {
  await app.close();
  await database.close();
});

function toy(name: string, spec: Record<string, unknown> = { version: '1' }): string {
  return JSON.stringify({ apiVersion: 'tidegate.dev/v1', kind: 'Toy', metadata: { name }, spec });
}

function box(name: string, size = 1): string {
  return JSON.stringify({ apiVersion: 'tidegate.dev/v1', kind: 'Box', metadata: { name }, spec: { size } });
}

function apply(texts: readonly string[], asked: Asked = {}): Promise<Answered> {
  return ask(app, 'POST /api/v1/resources', {
    token,
    body: { files: texts.map((text, index) => ({ name: `file-${index}.yaml`, text })) },
    ...asked,
  });
}

function actions(answer: Answered): readonly string[] {
  return answer.json.changes.map((change: { name: string; action: string }) => `${change.name} ${change.action}`);
}

async function ledgerSize(): Promise<number> {
  const row = await database.db
    .withTables<{ ledger_pending: { leaf: Buffer } }>()
    .selectFrom('ledger_pending')
    .select((eb) => eb.fn.countAll<number>().as('size'))
    .executeTakeFirstOrThrow();
  return row.size;
}

test('an apply creates, changes and leaves alone; applying again changes and records nothing', async () => {
  const first = await apply([toy('a'), toy('b')]);
  const second = await apply([toy('a', { version: '2' }), toy('b')]);
  const before = await ledgerSize();
  const third = await apply([toy('a', { version: '2' }), toy('b')]);

  expect([first.status, actions(first), actions(second), actions(third)]).toEqual([
    200,
    ['a create', 'b create'],
    ['a change', 'b unchanged'],
    ['a unchanged', 'b unchanged'],
  ]);
  expect(await ledgerSize()).toBe(before);
  expect(
    toyChanges
      .filter(({ name }) => name === 'a')
      .map(({ version, before: old, after }) => [version, (old?.spec as { version: string } | undefined)?.version, after?.spec.version]),
  ).toEqual([
    [1, undefined, '1'],
    [2, '1', '2'],
  ]);
});

test('a plan changes nothing, and says the same as the apply', async () => {
  const body = { files: [{ name: 'f', text: toy('planned') }] };

  const plan = await ask(app, 'POST /api/v1/resources/plan', { token, body });

  expect([plan.status, actions(plan)]).toEqual([200, ['planned create']]);
  expect(await findResource(database.db, toyKind, 'planned')).toBeUndefined();
  expect((await apply([toy('planned')])).json).toEqual(plan.json);
});

test('an apply of a plan that has moved since is refused with 412 and the digest of now', async () => {
  const body = { files: [{ name: 'f', text: toy('moving', { version: '2' }) }] };
  const plan = await ask(app, 'POST /api/v1/resources/plan', { token, body });
  await apply([toy('moving')]);

  const stale = await apply([toy('moving', { version: '2' })], { headers: { 'if-match': String(plan.headers['etag']) } });
  const fresh = await apply([toy('moving', { version: '2' })], { headers: { 'if-match': `"${stale.json.currentVersion}"` } });

  expect([stale.status, stale.json.code, fresh.status]).toEqual([412, 'version.stale', 200]);
});

test('one fault in one file and nothing of any file is applied', async () => {
  const answer = await apply([toy('half'), toy('BAD', {}), toy('third', { version: '1', box: 'nowhere' })]);

  expect([answer.status, answer.json.code]).toEqual([422, 'resource.invalid']);
  expect(
    answer.json.faults.map((fault: { file: string; pointer: string; line: number }) => `${fault.file} ${fault.line} ${fault.pointer}`),
  ).toEqual(['file-1.yaml 1 /metadata/name', 'file-1.yaml 1 /spec/version', 'file-2.yaml 1 /spec/box']);
  expect(await findResource(database.db, toyKind, 'half')).toBeUndefined();
});

test('a hook that fails takes the whole apply with it, the ledger too', async () => {
  const before = await ledgerSize();

  const answer = await apply([toy('with-refused'), toy('refused')]);

  expect([answer.status, await ledgerSize()]).toEqual([500, before]);
  expect(await findResource(database.db, toyKind, 'with-refused')).toBeUndefined();
});

test('plain YAML is a body too', async () => {
  const text = 'apiVersion: tidegate.dev/v1\nkind: Toy\nmetadata:\n  name: plain\n  labels: { team: blue }\nspec:\n  version: "1"\n';

  const answer = await ask(app, 'POST /api/v1/resources', { token, body: text, headers: { 'content-type': 'application/yaml' } });
  const broken = await ask(app, 'POST /api/v1/resources', { token, body: 'a: [', headers: { 'content-type': 'application/yaml' } });

  expect([answer.status, actions(answer)]).toEqual([200, ['plain create']]);
  expect(broken.json).toMatchObject({ status: 422, faults: [{ file: 'body', line: 1, code: 'yaml.malformed' }] });
  expect((await loadResource(database.db, toyKind, 'plain')).labels).toEqual({ team: 'blue' });
});

test('a kind that wants a permission of its own is refused without it', async () => {
  const some = await tokenWith(database.db, 'cas', ['resource.apply']);

  const answer = await apply([box('needs-more')], { token: some });

  expect([answer.status, answer.json.code]).toEqual([403, 'permission.missing']);
  expect(await findResource(database.db, boxKind, 'needs-more')).toBeUndefined();
});

test('nobody gives themself a role that can do more than they can', async () => {
  const role = JSON.stringify({
    apiVersion: 'tidegate.dev/v1',
    kind: 'Role',
    metadata: { name: 'release-manager' },
    spec: { members: ['ann'] },
  });

  const answer = await apply([role]);

  expect([answer.status, answer.json.code]).toEqual([403, 'sod.self-grant']);
});

test('an administrator who deploys, and a role without members or permissions, are refused with reasons', async () => {
  const roles = [
    { name: 'administrator', spec: { members: [], permissions: ['release.promote'] } },
    { name: 'gardener', spec: { members: ['nobody-known', 'ann', 'ann'] } },
  ].map(({ name, spec }) => JSON.stringify({ apiVersion: 'tidegate.dev/v1', kind: 'Role', metadata: { name }, spec }));

  const answer = await apply(roles);

  expect(answer.json.faults.map((fault: { code: string }) => fault.code)).toEqual([
    'role.no-administrator',
    'sod.administrator-acts',
    'role.member-unknown',
    'role.member-twice',
    'role.permissions',
  ]);
});

test('what was in force stays readable by version, over a deletion and a new beginning', async () => {
  await apply([toy('old', { version: 'one' })]);
  await apply([toy('old', { version: 'two' })]);
  const etag = (await ask(app, 'GET /api/v1/resources/Toy/old', { token })).headers['etag'];
  const gone = await ask(app, 'DELETE /api/v1/resources/Toy/old', { token, headers: { 'if-match': String(etag) } });
  await apply([toy('old', { version: 'again' })]);

  const versions = await ask(app, 'GET /api/v1/resources/Toy/old/versions', { token });
  const first = await ask(app, 'GET /api/v1/resources/Toy/old?version=1', { token });

  expect([etag, gone.status]).toEqual(['"2"', 204]);
  expect(versions.json.items.map((version: { version: number; deleted: boolean }) => [version.version, version.deleted])).toEqual([
    [4, false],
    [3, true],
    [2, false],
    [1, false],
  ]);
  expect(first.json.spec.version).toBe('one');
  expect(await findResourceVersion(database.db, toyKind, 'old', 3)).toBeUndefined();
});

test('a deletion needs If-Match, the right version, and nobody who refers to it', async () => {
  await apply([box('needed'), toy('user', { version: '1', box: 'needed' })]);
  const remove = (headers: Record<string, string>) => ask(app, 'DELETE /api/v1/resources/Box/needed', { token, headers });

  const answers = [await remove({}), await remove({ 'if-match': '"9"' }), await remove({ 'if-match': '"1"' })];

  expect(answers.map(({ status, json }) => [status, json.code])).toEqual([
    [428, 'version.required'],
    [412, 'version.stale'],
    [409, 'resource.referenced'],
  ]);
});

test('a version in the history can neither be changed nor removed, not even by hand', async () => {
  const t = database.db.withTables<{ resource_version: { name: string; actor: string } }>();

  await expect(t.updateTable('resource_version').set({ actor: 'nobody' }).execute()).rejects.toThrow(/never changed/);
  await expect(t.deleteFrom('resource_version').execute()).rejects.toThrow(/never changed/);
});

test('an export can be applied again and changes nothing', async () => {
  const exported = await ask(app, 'GET /api/v1/resources/export', { token });

  const plan = await ask(app, 'POST /api/v1/resources/plan', {
    token,
    body: exported.text,
    headers: { 'content-type': 'application/yaml' },
  });

  expect(exported.headers['content-type']).toContain('application/yaml');
  expect(new Set(plan.json.changes.map((change: { action: string }) => change.action))).toEqual(new Set(['unchanged']));
});

test('a list goes on where its page ended, and knows no row twice', async () => {
  await apply(Array.from({ length: 7 }, (_, index) => toy(`page-${index}`)));
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await ask(app, `GET /api/v1/resources?kind=Toy&limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`, { token });
    names.push(...page.json.items.map((item: { metadata: { name: string } }) => item.metadata.name));
    cursor = page.json.nextCursor;
  } while (cursor !== undefined);

  expect(names).toEqual((await listResources(database.db, toyKind)).map(({ name }) => name));
  expect((await ask(app, 'GET /api/v1/resources?cursor=bm9uc2Vuc2U', { token })).json.code).toBe('cursor.malformed');
});

test('an unknown kind or name is 404 and suggests the near one', async () => {
  const kind = await ask(app, 'GET /api/v1/resources/toy/a', { token });
  const name = await ask(app, 'GET /api/v1/resources/Toy/none', { token });

  expect([kind.status, kind.json.code, kind.json.detail.includes('did you mean Toy?')]).toEqual([404, 'resource.kind-unknown', true]);
  expect([name.status, name.json.code]).toEqual([404, 'resource.unknown']);
  await expect(loadResource(database.db, toyKind, 'none')).rejects.toThrow(/expected a Toy named none/);
});

test('of two applies at the same moment both are done, one after the other', async () => {
  const answers = await Promise.all([apply([toy('raced', { version: 'a' })]), apply([toy('raced', { version: 'b' })])]);

  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect((await loadResource(database.db, toyKind, 'raced')).version).toBe(2);
});
