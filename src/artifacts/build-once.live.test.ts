import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGitPerson, gitAs } from '../../demo/git-people.ts';
import { createDirectoryStore } from '../drivers/directory-store/directory-store.ts';
import { createGitSource } from '../drivers/git/git-source.ts';
import { createHostBuildRunner } from '../drivers/host-build/host-build-runner.ts';
import type { BuildOrder } from './build-once.reconcile.ts';
import { buildOnce } from './build-once.reconcile.ts';

let root: string;
let repository: string;
let good: string;
let bad: string;
let slow: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidegate-build-once-'));
  repository = join(root, 'origin');
  await mkdir(repository);
  const dana = await createGitPerson(join(root, 'keys'), { name: 'dana', displayName: 'Dana', email: 'dana@shop.example' });
  await gitAs(dana, repository, ['init', '--quiet']);
  const commit = async (script: string) => {
    await writeFile(
      join(repository, 'build.mjs'),
      `import * as fs from 'node:fs';\nfs.mkdirSync('dist');\nfs.writeFileSync('dist/commit', process.env.SOURCE_COMMIT);\n${script}\n`,
    );
    await gitAs(dana, repository, ['add', '--all']);
    await gitAs(dana, repository, ['commit', '--quiet', '-m', 'x']);
    return gitAs(dana, repository, ['rev-parse', 'HEAD']);
  };
  bad = await commit(`console.error('boom'); process.exit(3);`);
  slow = await commit(`console.log('under way'); setInterval(() => {}, 1000);`);
  good = await commit('');
});
afterAll(() => rm(root, { recursive: true, force: true }));

const parts = () => ({
  source: createGitSource({ home: join(root, 'home') }),
  runner: createHostBuildRunner(),
  store: createDirectoryStore({ home: join(root, 'home') }),
});
const order = (commit: string, scratch: string): BuildOrder => ({
  repository,
  commit,
  scratch: join(root, 'builds', scratch),
  command: ['node', 'build.mjs'],
  output: 'dist',
  timeoutMs: 60_000,
  maxBytes: 1_000_000,
  environmentVariables: { SOURCE_COMMIT: commit },
});

test('two builds of one commit in different folders are the same artifact, byte for byte', async () => {
  const one = await buildOnce({ ...parts(), request: order(good, 'one') });
  const two = await buildOnce({ ...parts(), request: order(good, 'two') });

  expect(two.digest).toBe(one.digest);
  const archive = await parts().store.pathOf(one.digest);
  expect(execFileSync('tar', ['-xOf', archive, 'commit'], { encoding: 'utf8' })).toBe(good);
  expect(await readdir(join(root, 'builds'))).toEqual([]);
});

test('a build that fails says why with its log, and leaves nothing', async () => {
  const failed = buildOnce({ ...parts(), request: order(bad, 'bad') });

  await expect(failed).rejects.toMatchObject({ code: 'build.failed', extra: { exitCode: 3, log: expect.arrayContaining(['boom']) } });
  expect(await readdir(join(root, 'builds'))).toEqual([]);
});

test('after kill -9 of the worker the next build sweeps its folder and its processes, and gives the artifact', async () => {
  const file = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { createGitSource } from ${file('../drivers/git/git-source.ts')};
    import { createHostBuildRunner } from ${file('../drivers/host-build/host-build-runner.ts')};
    import { createDirectoryStore } from ${file('../drivers/directory-store/directory-store.ts')};
    import { buildOnce } from ${file('build-once.reconcile.ts')};
    const home = ${JSON.stringify(join(root, 'home'))};
    await buildOnce({ source: createGitSource({ home }), runner: createHostBuildRunner(), store: createDirectoryStore({ home }),
      request: { ...${JSON.stringify(order(slow, 'slow'))}, onLog: (line) => console.log(line) } });`;
  const worker = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  worker.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await expect.poll(() => printed, { timeout: 30_000 }).toContain('under way');
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  expect(await readdir(join(root, 'builds'))).toEqual(['slow']);

  await buildOnce({ ...parts(), request: order(good, 'after') });

  expect(await readdir(join(root, 'builds'))).toEqual([]);
  const processes = () => execFileSync('ps', ['-eo', 'stat,args'], { encoding: 'utf8' }).split('\n');
  await expect
    .poll(() => processes().filter((line) => !line.startsWith('Z') && line.includes(join(root, 'builds'))), { timeout: 10_000 })
    .toEqual([]);
});

test('a folder beside ours that names no owner stays', async () => {
  await mkdir(join(root, 'builds', 'of-somebody-else'), { recursive: true });
  await buildOnce({ ...parts(), request: order(good, 'again') });
  expect(await readdir(join(root, 'builds'))).toEqual(['of-somebody-else']);
});
