import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listProcessesIn } from './operating-system.ts';
import type { Report } from './report.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tgx-'));
  // PostgreSQL, started as root, runs as somebody else and must be able to pass through.
  await chmod(folder, 0o711);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** As `npm run chaos` does; interrupted once, when it has said `stopWhen`. */
function runChaos(args: readonly string[], stopWhen?: string): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const env = { ...process.env, TMPDIR: folder };
  const child = spawn(process.execPath, [join(import.meta.dirname, 'chaos.ts'), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  let interrupted = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (stopWhen === undefined || interrupted || !stderr.includes(stopWhen)) return;
    interrupted = child.kill('SIGINT');
  });
  child.once('error', reject);
  child.once('close', (status) => resolve({ status, stdout, stderr }));
  return promise;
}

/** What a run left in the only folder it may write to: files, and processes that live in it. */
async function leftOvers(): Promise<readonly string[]> {
  const processes = await listProcessesIn(folder);
  return [...(await readdir(folder)), ...processes.map(({ command }) => command)];
}

test('six kills and a stopped worker: every invariant holds, and nothing is left', { timeout: 400_000 }, async () => {
  const { status, stdout, stderr } = await runChaos(['--kills', '6', '--seed', '4', '--json']);

  // Who sees this fail wants the story.
  expect(status === 0 ? 'every invariant held' : stderr).toBe('every invariant held');
  const report = JSON.parse(stdout) as Report;
  expect(report.invariants.map(({ name, held }) => [name, held])).toEqual(report.invariants.map(({ name }) => [name, true]));
  expect(report.invariants).toHaveLength(8);
  expect(report).toMatchObject({ ok: true, seed: 4, stops: 1, kills: { total: 6 }, requests: { failedByUs: 0 } });
  expect(await leftOvers()).toEqual([]);
});

test('an interrupted run ends everything it started', async () => {
  const { status, stdout } = await runChaos(['--kills', '6', '--seed', '4'], 'is released');

  expect([status, stdout]).toEqual([1, '']);
  expect(await leftOvers()).toEqual([]);
});

test('what cannot be a number of kills is one sentence and exit status 2', async () => {
  const { status, stderr } = await runChaos(['--kills', 'many']);

  expect([status, stderr]).toEqual([2, 'expected --kills as a whole number from 1 to 10000, got many\n']);
});
