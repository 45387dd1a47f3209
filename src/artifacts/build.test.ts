import { expect, test } from 'vitest';
import type { BuildState } from './build.ts';
import { attemptToStart, buildId, buildTransitions, checkBuildStep, keptLog, refuseOtherBytes } from './build.ts';

const states = Object.keys(buildTransitions) as BuildState[];

test('a build goes queued, running, then succeeded or failed, and no other way', () => {
  const allowed = states.flatMap((from) =>
    states.flatMap((to) => {
      try {
        checkBuildStep({ id: 'b', state: from }, to);
        return [`${from} > ${to}`];
      } catch {
        return [];
      }
    }),
  );
  expect(allowed).toEqual(['queued > running', 'queued > failed', 'running > succeeded', 'running > failed']);
});

test('a step the table does not have is a conflict that names both states', () => {
  expect(() => checkBuildStep({ id: 'shop@1.0.0~1', state: 'failed' }, 'running')).toThrow(
    expect.objectContaining({ code: 'build.wrong-state', status: 409, message: expect.stringMatching(/shop@1\.0\.0~1.*running.*failed/) }),
  );
});

test('only a failed build is followed by another attempt', () => {
  expect(attemptToStart(undefined)).toBe(1);
  expect(states.map((state) => attemptToStart({ attempt: 3, state }))).toEqual([3, 3, 3, 4]);
  expect(buildId('shop@1.0.0', 2)).toBe('shop@1.0.0~2');
});

test('a build never gives other bytes than it gave', () => {
  const [one, other] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`] as const;
  expect(() => refuseOtherBytes({ id: 'b' }, one, one)).not.toThrow();
  expect(() => refuseOtherBytes({ id: 'b' }, one, other)).toThrow(
    expect.objectContaining({ code: 'artifact.immutable', status: 409, extra: { expected: one, got: other } }),
  );
});

test('the end of a long log is kept, in whole lines', () => {
  expect(keptLog(['a', 'b'])).toBe('a\nb');
  const lines = Array.from({ length: 10_000 }, (_, i) => `${i} ${'x'.repeat(100)}`);
  const kept = keptLog(lines).split('\n');
  expect(kept[0]).toBe('… earlier lines are left out');
  expect(kept.at(-1)).toBe(lines.at(-1));
  expect(kept.slice(1)).toEqual(lines.slice(-(kept.length - 1)));
  expect(Buffer.byteLength(kept.slice(1).join('\n'))).toBeLessThanOrEqual(256 * 1024);
});
