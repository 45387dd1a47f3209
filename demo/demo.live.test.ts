import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Expectation, Told } from './expectations.ts';

/** The whole main job as a newcomer sees it, in one process tree of its own. */
function runDemo(): Promise<{
  readonly exit: number | null;
  readonly story: (Told & { readonly ok: boolean; readonly expectations: readonly Expectation[] }) | undefined;
  readonly progress: string;
}> {
  const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof runDemo>>>();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'demo.ts'), '--exit', '--json', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let progress = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (progress += chunk.toString()));
  child.on('close', (exit) =>
    resolve({ exit, story: out ? (JSON.parse(out) as Told & { ok: boolean; expectations: readonly Expectation[] }) : undefined, progress }),
  );
  return promise;
}

// Once more on failure: the judge may take back a good release with probability alpha, and then it is right to.
test('three releases travel from a signed tag to production, and the bad one comes back', { timeout: 600_000, retry: 1 }, async () => {
  const { exit, story, progress } = await runDemo();

  if (!story) throw new Error(`expected the story as JSON, got exit ${exit}: ${progress}`);
  expect(story.expectations.filter((e) => !e.held)).toEqual([]);
  expect(story.releases.map((r) => [r.version, r.outcome])).toEqual([
    ['1.0.0', 'completed'],
    ['1.1.0', 'completed'],
    ['1.2.0', 'rolled-back'],
  ]);
  expect(story.refusals.map((r) => [r.what, r.code])).toEqual([
    ['author-approval', 'approval.author'],
    ['stale-approval', 'candidate.stale'],
    ['freeze', 'freeze.active'],
  ]);
  expect(exit).toBe(0);
});
