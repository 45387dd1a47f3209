import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BuildRequest } from '../../artifacts/build-runner.port.ts';
import { digestOfBytes } from '../../platform/digest.ts';
import { createHostBuildRunner } from './host-build-runner.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidegate-build-test-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A checkout whose build runs this script. */
async function checkoutWith(script: string): Promise<string> {
  const directory = join(await mkdtemp(join(root, 'build-')), 'source');
  await mkdir(directory);
  await writeFile(join(directory, 'build.mjs'), `import * as fs from 'node:fs'; import { spawn } from 'node:child_process';\n${script}\n`);
  return directory;
}

function run(directory: string, more: Partial<BuildRequest> = {}) {
  const log: string[] = [];
  const request: BuildRequest = {
    directory,
    command: ['node', 'build.mjs'],
    timeoutMs: 30_000,
    maxBytes: 1_000_000,
    environmentVariables: {},
    output: 'dist',
    onLog: (line) => log.push(line),
    ...more,
  };
  return { log, done: createHostBuildRunner().run(request) };
}

async function build(script: string, more: Partial<BuildRequest> = {}) {
  const directory = await checkoutWith(script);
  const { log, done } = run(directory, more);
  return { ...(await done), log, directory };
}

/** A zombie is dead: where process 1 reaps slowly it stays listed for a while. */
const isAlive = (pid: number) => !/^$|\) Z/.test(readStat(pid));

function readStat(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}

describe('the archive', () => {
  test('of two builds of the same files is byte-equal, whatever the order, time, owner and mode they were written with', async () => {
    const files = ['b/c.txt', 'a.txt', 'b-d.txt', 'ü.txt', `${'long/'.repeat(40)}name.txt`];
    const write = (order: readonly string[]) =>
      order
        .map(
          (path) =>
            `fs.mkdirSync('dist/' + ${JSON.stringify(path)}.split('/').slice(0, -1).join('/'), { recursive: true }); fs.writeFileSync('dist/' + ${JSON.stringify(path)}, ${JSON.stringify(path)});`,
        )
        .join('\n');
    const one = await build(`${write(files)} fs.symlinkSync('../a.txt', 'dist/b/link');`);
    const other = await checkoutWith(
      `process.umask(0o077); ${write(files.toReversed())} fs.symlinkSync('../a.txt', 'dist/b/link'); fs.utimesSync('dist/a.txt', 1, 1);`,
    );
    const two = await run(other).done;

    expect(digestOfBytes(await readFile(two.archive))).toBe(digestOfBytes(await readFile(one.archive)));
    const listing = execFileSync('tar', ['--numeric-owner', '--quoting-style=literal', '-tvf', one.archive], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' },
    });
    expect(listing.split('\n').slice(0, 3)).toEqual([
      '-rw-r--r-- 0/0               5 1970-01-01 00:00 a.txt',
      'drwxr-xr-x 0/0               0 1970-01-01 00:00 b/',
      '-rw-r--r-- 0/0               7 1970-01-01 00:00 b-d.txt',
    ]);
  });

  test('keeps the executable bit and nothing else of the mode', async () => {
    const { archive } = await build(`fs.mkdirSync('dist'); fs.writeFileSync('dist/run', 'x'); fs.chmodSync('dist/run', 0o4711);`);
    expect(execFileSync('tar', ['-tvf', archive], { encoding: 'utf8' })).toMatch(/^-rwxr-xr-x /);
  });

  test('lies beside the checkout, and the scratch folder is gone', async () => {
    const { archive, bytes, directory } = await build(`fs.mkdirSync('dist'); fs.writeFileSync('dist/a', 'x');`);
    expect(archive).toBe(`${directory}.tar`);
    expect((await lstat(archive)).size).toBe(bytes);
    expect((await readdir(join(directory, '..'))).toSorted()).toEqual(['source', 'source.tar']);
  });
});

test('the build sees its own variables and none of the platform', async () => {
  process.env['DATABASE_URL'] = 'postgres://secret';
  try {
    const { archive, log } = await build(
      `fs.mkdirSync('dist'); fs.writeFileSync('dist/env', Object.keys(process.env).sort().join()); console.log('\\u001b[31mred\\u001b[0m', process.version);`,
      {
        environmentVariables: { SOURCE_COMMIT: 'abc' },
      },
    );
    const variables = execFileSync('tar', ['-xOf', archive, 'env'], { encoding: 'utf8' });
    expect(variables).toBe('CI,HOME,LANG,PATH,SOURCE_COMMIT,TIDEGATE_BUILD,TMPDIR,TZ');
    expect(log).toEqual(['This build is not isolated: it runs on the host as the user of the platform.', `red ${process.version}`]);
  } finally {
    delete process.env['DATABASE_URL'];
  }
});

test('a command is never read by a shell', async () => {
  const directory = await checkoutWith(`fs.mkdirSync('dist'); fs.writeFileSync('dist/args', process.argv.slice(2).join('|'));`);
  const { archive } = await run(directory, { command: ['node', 'build.mjs', '$(touch pwned)', '; touch pwned', '--', '*'] }).done;
  expect(execFileSync('tar', ['-xOf', archive, 'args'], { encoding: 'utf8' })).toBe('$(touch pwned)|; touch pwned|--|*');
});

test('a build that fails says its exit status and its last lines', async () => {
  const failed = build(`for (let i = 0; i < 30; i += 1) console.log('line ' + i); process.exitCode = 7;`);
  await expect(failed).rejects.toMatchObject({
    code: 'build.failed',
    status: 422,
    retryable: false,
    message: expect.stringContaining('exit status 7'),
  });
  const fault = (await failed.catch((error: unknown) => error)) as { extra: { lastLines: string[] } };
  expect(fault.extra.lastLines).toHaveLength(20);
  expect(fault.extra.lastLines.at(-1)).toBe('line 29');
});

test('a command that does not exist fails the build', async () => {
  await expect(build('', { command: ['no-such-program'] })).rejects.toMatchObject({ code: 'build.failed' });
});

test('a build over its time is killed with everything it started, even what left its process group', async () => {
  const directory = await checkoutWith(`
    const start = (detached) => spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { detached, stdio: 'ignore' });
    fs.mkdirSync('dist');
    fs.writeFileSync('pids.new', JSON.stringify([process.pid, start(false).pid, start(true).pid]));
    fs.renameSync('pids.new', 'pids');
    setInterval(() => {}, 1000);`);

  await expect(run(directory, { timeoutMs: 3_000 }).done).rejects.toMatchObject({ code: 'build.timeout', status: 422 });

  const pids = JSON.parse(await readFile(join(directory, 'pids'), 'utf8')) as number[];
  expect(pids).toHaveLength(3);
  await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([]);
});

test('a daemon left behind by a good build is ended, and the build does not wait for it', async () => {
  const { directory } = await build(`
    fs.mkdirSync('dist'); fs.writeFileSync('dist/a', 'x');
    const left = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'inherit' });
    fs.writeFileSync('pid', String(left.pid)); left.unref();`);

  const pid = Number(await readFile(join(directory, 'pid'), 'utf8'));
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
});

test('the processes of a build whose folder is gone are ended by the next build', async () => {
  const directory = await checkoutWith('');
  const orphan = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    env: { TIDEGATE_BUILD: `${directory}-gone` },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => orphan.once('exit', (_, signal) => resolve(signal)));

  await build(`fs.mkdirSync('dist'); fs.writeFileSync('dist/a', 'x');`);

  expect(await ended).toBe('SIGKILL');
});

test('a build that is called off ends at once and may be repeated', async () => {
  const stop = new AbortController();
  const directory = await checkoutWith(`console.log('started'); setInterval(() => {}, 1000);`);
  const { done } = run(directory, { signal: stop.signal, onLog: (line) => line === 'started' && stop.abort() });
  await expect(done).rejects.toMatchObject({ code: 'build.aborted', retryable: true });
});

test('a build over its size is refused, and stopped while it grows', async () => {
  await expect(build(`fs.mkdirSync('dist'); fs.writeFileSync('dist/a', 'x'.repeat(1_000_001));`)).rejects.toMatchObject({
    code: 'build.too-large',
    status: 422,
  });
  const growing = build(`fs.mkdirSync('dist'); setInterval(() => fs.appendFileSync('dist/a', 'x'.repeat(100_000)), 5);`);
  await expect(growing).rejects.toMatchObject({ code: 'build.too-large' });
});

test.each([
  ['nothing', ''],
  ['an empty folder', `fs.mkdirSync('dist');`],
  ['a file', `fs.writeFileSync('dist', 'x');`],
])('a build that writes %s has no output', async (_, script) => {
  await expect(build(script)).rejects.toMatchObject({ code: 'build.no-output', status: 422 });
});

test.each([
  ['an absolute link', `fs.mkdirSync('dist'); fs.symlinkSync('/etc/passwd', 'dist/a');`],
  ['a link that climbs out', `fs.mkdirSync('dist/b', { recursive: true }); fs.symlinkSync('../../source', 'dist/b/a');`],
  [
    'a link that climbs through another',
    `fs.mkdirSync('dist/b', { recursive: true }); fs.symlinkSync('..', 'dist/b/up'); fs.symlinkSync('b/up/../..', 'dist/a');`,
  ],
  ['a name that is not UTF-8', `fs.mkdirSync('dist'); fs.writeFileSync(Buffer.from('dist/\\xff', 'latin1'), 'x');`],
])('an output with %s is unsafe', async (_, script) => {
  await expect(build(script)).rejects.toMatchObject({ code: 'build.unsafe-output', status: 422 });
});

test('an output folder that is a link, or named outside the checkout, is unsafe', async () => {
  await expect(build(`fs.symlinkSync('/etc', 'dist');`)).rejects.toMatchObject({ code: 'build.unsafe-output' });
  await expect(build('', { output: '../..' })).rejects.toMatchObject({ code: 'build.unsafe-output' });
});

test('a special file in the output is unsafe', async () => {
  const directory = await checkoutWith('');
  await mkdir(join(directory, 'dist'));
  execFileSync('mkfifo', [join(directory, 'dist', 'pipe')]);
  await expect(run(directory).done).rejects.toMatchObject({ code: 'build.unsafe-output' });
});

test('a log without end is cut with a sentence and the build goes on', async () => {
  const { log } = await build(
    `fs.mkdirSync('dist'); fs.writeFileSync('dist/a', 'x'); for (let i = 0; i < 20; i += 1) fs.writeSync(1, ('x'.repeat(99) + '\\n').repeat(10_000));`,
  );
  expect(log.at(-1)).toContain('the log is longer than 8 MiB');
  expect(log.length).toBeLessThan(90_000);
});
