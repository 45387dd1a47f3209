import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GitPerson } from '../../../demo/git-people.ts';
import { createGitPerson, gitAs } from '../../../demo/git-people.ts';
import type { AllowedSigner } from '../../artifacts/source.port.ts';
import { createGitSource } from './git-source.ts';

let root: string;
let bare: string;
let work: string;
let dana: GitPerson;
let kim: GitPerson;
let mallory: GitPerson;
let first: string;

const source = () => createGitSource({ home: join(root, 'home') });
const signers = (): readonly AllowedSigner[] => [dana, kim].map((person) => ({ principal: person.name, key: person.publicKey }));
const verify = (tag: string, more: { allowedSigners?: readonly AllowedSigner[]; protectedBranches?: readonly string[] } = {}) =>
  source().verifyTag({ repository: bare, tag, allowedSigners: signers(), protectedBranches: ['main'], ...more });

async function commit(person: GitPerson, files: Readonly<Record<string, string>>, message: string): Promise<string> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text);
  await gitAs(person, work, ['add', '--all']);
  await gitAs(person, work, ['commit', '--quiet', '--allow-empty', '-m', message]);
  await gitAs(person, work, ['push', '--quiet', 'origin', 'HEAD']);
  return gitAs(person, work, ['rev-parse', 'HEAD']);
}

async function pushTag(person: GitPerson, args: readonly string[]): Promise<void> {
  await gitAs(person, work, ['tag', ...args]);
  await gitAs(person, work, ['push', '--quiet', '--force', '--tags', 'origin']);
}

/** A tag object as bytes of our own, stored under any name. */
async function plantTag(name: string, content: string): Promise<void> {
  const object = execFileSync('git', ['-C', bare, 'hash-object', '-t', 'tag', '-w', '--stdin', '--literally'], {
    input: content,
    encoding: 'utf8',
  }).trim();
  await gitAs(dana, bare, ['update-ref', `refs/tags/${name}`, object]);
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidegate-git-test-'));
  bare = join(root, 'origin.git');
  work = join(root, 'work');
  const keys = join(root, 'keys');
  dana = await createGitPerson(keys, { name: 'dana', displayName: 'Dana Reyes', email: 'dana@shop.example' });
  kim = await createGitPerson(keys, { name: 'kim', displayName: 'Kim Okafor', email: 'kim@shop.example' });
  mallory = await createGitPerson(keys, { name: 'mallory', displayName: 'Mallory', email: 'mallory@elsewhere.example' });
  await mkdir(work);
  await gitAs(dana, root, ['init', '--quiet', '--bare', bare]);
  await gitAs(dana, work, ['init', '--quiet']);
  await gitAs(dana, work, ['remote', 'add', 'origin', bare]);
  first = await commit(dana, { 'a.txt': 'one\n' }, 'First');
  await pushTag(dana, ['-s', 'v1.0.0', '-m', 'Release 1.0.0']);
});

afterAll(() => rm(root, { recursive: true, force: true }));

describe('a tag', () => {
  test('signed by an allowed signer gives its commit, its own hash, the signer and the message', async () => {
    const info = await verify('v1.0.0');

    const tagObject = await gitAs(dana, work, ['rev-parse', 'refs/tags/v1.0.0']);
    expect(info).toEqual({ name: 'v1.0.0', tagObject, commit: first, signer: 'dana', message: 'Release 1.0.0' });
  });

  test('works for a file address and for a branch name with a slash', async () => {
    await gitAs(dana, bare, ['branch', 'release/1', first]);

    const info = await source().verifyTag({
      repository: `file://${bare}`,
      tag: 'v1.0.0',
      allowedSigners: signers(),
      protectedBranches: ['gone', 'release/1'],
    });

    expect(info.commit).toBe(first);
  });

  test('that does not exist is unknown', async () => {
    await expect(verify('v9.9.9')).rejects.toMatchObject({ code: 'tag.unknown', status: 422 });
  });

  test('that is lightweight is refused', async () => {
    await pushTag(dana, ['light', first]);

    await expect(verify('light')).rejects.toMatchObject({ code: 'tag.lightweight', status: 422 });
  });

  test('that is annotated but unsigned is refused', async () => {
    await pushTag(dana, ['-a', 'unsigned', '-m', 'x']);

    await expect(verify('unsigned')).rejects.toMatchObject({ code: 'tag.unsigned', status: 422 });
  });

  test('signed by a key that nobody allowed is refused, whatever name its owner claims', async () => {
    await pushTag({ ...dana, keyFile: mallory.keyFile }, ['-s', 'foreign', '-m', 'Good "git" signature for dana']);

    await expect(verify('foreign')).rejects.toMatchObject({ code: 'tag.untrusted-signer', status: 422 });
  });

  test('whose signed text was changed is refused', async () => {
    const text = execFileSync('git', ['-C', bare, 'cat-file', 'tag', 'v1.0.0'], { encoding: 'utf8' });
    await plantTag('edited', text.replace('Release 1.0.0', 'Release 1.0.O'));

    await expect(verify('edited')).rejects.toMatchObject({ code: 'tag.untrusted-signer' });
  });

  test('signed by an allowed key for another purpose than git is refused', async () => {
    const payload = `object ${first}\ntype commit\ntag other-namespace\ntagger D <d@x> 1 +0000\n\nx\n`;
    const file = join(root, 'payload');
    await writeFile(file, payload);
    execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-n', 'file', '-f', dana.keyFile, file], { stdio: 'ignore' });
    await plantTag('other-namespace', payload + (await readFile(`${file}.sig`, 'utf8')));

    await expect(verify('other-namespace')).rejects.toMatchObject({ code: 'tag.untrusted-signer' });
  });

  test('signed for one version and offered as another is refused', async () => {
    await gitAs(dana, bare, ['update-ref', 'refs/tags/v2.0.0', 'refs/tags/v1.0.0']);

    await expect(verify('v2.0.0')).rejects.toMatchObject({ code: 'tag.misnamed' });
  });

  test('of a commit on no protected branch is refused', async () => {
    await gitAs(dana, work, ['checkout', '--quiet', '-b', 'side']);
    await commit(dana, { 'side.txt': 'x' }, 'Side');
    await pushTag(dana, ['-s', 'side-1', '-m', 'x']);
    await gitAs(dana, work, ['checkout', '--quiet', 'main']);

    await expect(verify('side-1')).rejects.toMatchObject({ code: 'tag.unreachable', status: 422 });
    await expect(verify('v1.0.0', { protectedBranches: ['gone'] })).rejects.toMatchObject({ code: 'tag.unreachable' });
  });

  test('of something else than a commit is refused', async () => {
    await pushTag(dana, ['-s', 'of-tree', '-m', 'x', 'HEAD^{tree}']);

    await expect(verify('of-tree')).rejects.toMatchObject({ code: 'tag.not-a-commit' });
  });

  test('that moved has another tag object, seen at once', async () => {
    await pushTag(dana, ['-s', 'moving', '-m', 'x']);
    const before = await verify('moving');
    await commit(dana, { 'a.txt': 'two\n' }, 'Second');
    await pushTag(kim, ['-s', '-f', 'moving', '-m', 'x']);

    const after = await verify('moving');

    expect(after.signer).toBe('kim');
    expect(after.tagObject).not.toBe(before.tagObject);
    expect(after.commit).not.toBe(before.commit);
  });

  test.each(['', '-v1', '--upload-pack=touch', 'a..b', 'a b', 'a*', 'refs/../x', 'a.lock', 'a\nb'])(
    'named %j is malformed',
    async (tag) => {
      await expect(verify(tag)).rejects.toMatchObject({ code: 'tag.malformed', status: 422 });
    },
  );

  test('is not verified when two principals share a key, or a principal carries options', async () => {
    const shared = [...signers(), { principal: 'twin', key: dana.publicKey }];
    await expect(verify('v1.0.0', { allowedSigners: shared })).rejects.toMatchObject({ code: 'tag.invalid-signer' });
    const optioned = [{ principal: 'dana namespaces="file"', key: dana.publicKey }];
    await expect(verify('v1.0.0', { allowedSigners: optioned })).rejects.toMatchObject({ code: 'tag.invalid-signer' });
  });
});

test.each([
  'ext::sh -c touch% /tmp/x',
  'relative/path',
  '--upload-pack=x',
  'http://host/x',
  'https://user:secret@host/x',
  'ssh://-oProxyCommand=x/y',
  'https://h/x?y=1',
])('the address %s is refused before git sees it, without its secret', async (repository) => {
  const refused = source().verifyTag({ repository, tag: 'v1', allowedSigners: signers(), protectedBranches: ['main'] });

  await expect(refused).rejects.toMatchObject({
    code: 'source.invalid-address',
    status: 422,
    message: expect.not.stringContaining('secret'),
  });
});

test('a repository that is not there is a fault worth retrying', async () => {
  const missing = source().verifyTag({
    repository: join(root, 'nowhere.git'),
    tag: 'v1',
    allowedSigners: signers(),
    protectedBranches: ['main'],
  });

  await expect(missing).rejects.toMatchObject({ code: 'source.unavailable', status: 502, retryable: true });
});

test('authors are those of the commits since, with co-authors wherever the line stands', async () => {
  const since = await gitAs(dana, work, ['rev-parse', 'HEAD']);
  await commit(kim, {}, 'Pair\n\nCo-authored-by: Lee Park <lee@shop.example>\n\nThat was fun.');
  const last = await commit(kim, {}, 'Again\n\nco-authored-by: KIM <KIM@shop.example>');

  expect(await source().listAuthors({ repository: bare, commit: last, since })).toEqual([
    { name: 'Kim Okafor', email: 'kim@shop.example' },
    { name: 'Lee Park', email: 'lee@shop.example' },
  ]);
  const all = await source().listAuthors({ repository: bare, commit: last });
  expect(all.map((author) => author.email)).toEqual(['kim@shop.example', 'lee@shop.example', 'dana@shop.example']);
});

test('an unknown commit is the request’s fault, not the repository’s', async () => {
  const unknown = source().readFile({ repository: bare, commit: 'a'.repeat(40), path: 'a.txt' });
  await expect(unknown).rejects.toMatchObject({ code: 'source.unknown-commit', retryable: false });
  const option = source().readFile({ repository: bare, commit: '--all', path: 'a.txt' });
  await expect(option).rejects.toMatchObject({ code: 'source.unknown-commit' });
});

test('a file is read at its commit; a missing one, a folder and a path that leads out are undefined', async () => {
  const read = (path: string) => source().readFile({ repository: bare, commit: first, path });

  expect(await read('a.txt')).toBe('one\n');
  expect(await read('missing.txt')).toBeUndefined();
  expect(await read('../a.txt')).toBeUndefined();
  expect(await read('*.txt')).toBeUndefined();
});

describe('a checkout', () => {
  async function checkoutOf(commitHash: string): Promise<string> {
    const directory = await mkdtemp(join(root, 'checkout-'));
    await source().checkout({ repository: bare, commit: commitHash, directory });
    return directory;
  }

  test('has exactly the bytes of the tree, whatever .gitattributes asks for', async () => {
    await mkdir(join(work, 'sub'), { recursive: true });
    await writeFile(join(work, 'run.sh'), '#!/bin/sh\n');
    await chmod(join(work, 'run.sh'), 0o755);
    await symlink('../a.txt', join(work, 'sub', 'link'));
    const odd = {
      '.gitattributes': '*.txt eol=crlf\nhidden export-ignore\nsub.txt export-subst\n*.bin filter=evil\n',
      hidden: 'h',
      'sub.txt': '$Format:%H$\n',
      'x.bin': 'b',
      'ü ñ.txt': 'ok\n',
    };
    const commitHash = await commit(dana, odd, 'Odd');

    const directory = await checkoutOf(commitHash);

    expect((await readdir(directory)).toSorted()).toEqual([
      '.gitattributes',
      'a.txt',
      'hidden',
      'run.sh',
      'sub',
      'sub.txt',
      'x.bin',
      'ü ñ.txt',
    ]);
    expect(await readFile(join(directory, 'sub.txt'), 'utf8')).toBe('$Format:%H$\n');
    expect(await readFile(join(directory, 'ü ñ.txt'), 'utf8')).toBe('ok\n');
    expect((await lstat(join(directory, 'run.sh'))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(directory, 'sub', 'link'))).toBe('../a.txt');
  });

  test('brings a file larger than any buffer whole', async () => {
    const text = 'tide '.repeat(400_000);
    const commitHash = await commit(dana, { 'large.txt': text }, 'Large');

    expect(await readFile(join(await checkoutOf(commitHash), 'large.txt'), 'utf8')).toBe(text);
  });

  test('with a link that leads out is refused and leaves nothing', async () => {
    await symlink('../../etc/passwd', join(work, 'out'));
    const commitHash = await commit(dana, {}, 'Out');
    await rm(join(work, 'out'));
    const directory = join(root, 'refused');

    await expect(source().checkout({ repository: bare, commit: commitHash, directory })).rejects.toMatchObject({
      code: 'source.unsafe-tree',
      status: 422,
    });
    await expect(lstat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('with a submodule is refused with a sentence', async () => {
    await gitAs(dana, work, ['update-index', '--add', '--cacheinfo', `160000,${first},vendored`]);
    await gitAs(dana, work, ['commit', '--quiet', '-m', 'Submodule']);
    await gitAs(dana, work, ['push', '--quiet', 'origin', 'HEAD']);
    const commitHash = await gitAs(dana, work, ['rev-parse', 'HEAD']);
    await gitAs(dana, work, ['rm', '--quiet', '--cached', 'vendored']);

    await expect(checkoutOf(commitHash)).rejects.toMatchObject({
      code: 'source.unsafe-tree',
      message: expect.stringContaining('a submodule at "vendored"'),
    });
  });

  test('into a directory that is not empty is refused', async () => {
    await expect(source().checkout({ repository: bare, commit: first, directory: work })).rejects.toMatchObject({
      code: 'source.directory-not-empty',
    });
  });
});

test('hooks and configuration of the repository are never run', async () => {
  const trap = join(root, 'trapped');
  for (const hook of ['post-checkout', 'reference-transaction', 'pre-receive']) {
    await writeFile(join(bare, 'hooks', hook), `#!/bin/sh\necho ${hook} >> ${trap}\n`, { mode: 0o755 });
  }
  await gitAs(dana, bare, ['config', 'uploadpack.packObjectsHook', `sh -c 'echo pack >> ${trap}; exec "$@"' x`]);
  await gitAs(dana, bare, ['config', 'core.fsmonitor', `echo monitor >> ${trap}`]);

  const fresh = createGitSource({ home: join(root, 'fresh-home') });
  await fresh.verifyTag({ repository: bare, tag: 'v1.0.0', allowedSigners: signers(), protectedBranches: ['main'] });
  await fresh.checkout({ repository: bare, commit: first, directory: join(root, 'fresh') });

  await expect(lstat(trap)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('eight verifications at once of a repository never seen before agree', async () => {
  const home = join(root, 'crowded-home');
  const all = Array.from({ length: 8 }, () =>
    createGitSource({ home }).verifyTag({ repository: bare, tag: 'v1.0.0', allowedSigners: signers(), protectedBranches: ['main'] }),
  );

  const commits = new Set((await Promise.all(all)).map((info) => info.commit));

  expect([...commits]).toEqual([first]);
  expect((await readdir(join(home, 'cache', 'git'))).filter((name) => name.endsWith('.new'))).toEqual([]);
});
