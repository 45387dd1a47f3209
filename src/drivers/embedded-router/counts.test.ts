import { expect, test } from 'vitest';
import { failureWindowMs, keptSeconds, LaneCounts, maxLatencies } from './counts.ts';

const first = { generation: 1, weights: { stable: 95, canary: 5 } };
const second = { generation: 2, weights: { stable: 75, canary: 25 } };
const ok = (user: string, deployment = 'stable', latencyMs = 1) => ({ deployment, user, failed: false, latencyMs });
const failed = (user: string, deployment = 'canary') => ({ deployment, user, failed: true, latencyMs: 1 });
const start = 1_700_000_000_000;

function counts(): LaneCounts {
  return new LaneCounts('epoch-1', start);
}

test('a second is readable once it is over, with all arms of the route', () => {
  const lane = counts();
  lane.record(first, ok('a'), start);
  lane.record(first, ok('a'), start + 500);
  expect(lane.read(undefined).batches).toEqual([]);

  lane.advance(first, start + 1_000);

  expect(lane.read(undefined).batches).toEqual([
    {
      sequence: 0,
      second: start / 1000,
      generation: 1,
      weights: first.weights,
      arms: {
        stable: { requests: 2, errors: 0, users: 1, failedUsers: 0, latenciesMs: [1, 1] },
        canary: { requests: 0, errors: 0, users: 0, failedUsers: 0, latenciesMs: [] },
      },
    },
  ]);
});

test('a generation splits a second, and a late answer counts under the weights it was picked with', () => {
  const lane = counts();
  lane.record(first, ok('a'), start + 100);
  lane.record(second, ok('b'), start + 200);
  lane.record(first, ok('c'), start + 300);
  lane.record(first, ok('late'), start + 1_100);
  lane.advance(second, start + 2_000);

  const seen = lane.read(undefined).batches.map((batch) => [batch.second - start / 1000, batch.generation, batch.arms.stable?.requests]);

  expect(seen).toEqual([
    [0, 1, 2],
    [0, 2, 1],
    [1, 1, 1],
    [1, 2, 0],
  ]);
});

test('seconds without traffic have empty batches, and sequences have no gap', () => {
  const lane = counts();
  lane.record(first, ok('a'), start);
  lane.advance(first, start + 5_000);

  const { batches, cursor } = lane.read(undefined);

  expect(batches.map((batch) => batch.sequence)).toEqual([0, 1, 2, 3, 4]);
  expect(batches.map((batch) => batch.arms.stable?.requests)).toEqual([1, 0, 0, 0, 0]);
  expect(cursor).toEqual({ epoch: 'epoch-1', sequence: 4 });
});

test('a cursor gives each batch once; one of another epoch starts over', () => {
  const lane = counts();
  lane.advance(first, start + 2_000);
  const { cursor } = lane.read(undefined);
  lane.advance(first, start + 4_000);

  expect(lane.read(cursor).batches.map((batch) => batch.sequence)).toEqual([2, 3]);
  expect(lane.read(lane.read(cursor).cursor)).toEqual({ cursor: { epoch: 'epoch-1', sequence: 3 }, batches: [] });
  expect(lane.read({ epoch: 'another', sequence: 99 }).batches).toHaveLength(4);
});

test('a cursor from before the first batch loses nothing', () => {
  const lane = counts();
  const { cursor } = lane.read(undefined);
  lane.advance(first, start + 1_000);
  expect(lane.read(cursor).batches).toHaveLength(1);
});

test('a user who fails again within a minute of the last failure is no new failed user', () => {
  const lane = counts();
  lane.record(first, failed('a'), start);
  lane.record(first, failed('a'), start + 10);
  lane.record(first, failed('b'), start + 20);
  lane.record(first, failed('a'), start + failureWindowMs - 1);
  lane.record(first, failed('a'), start + 2 * failureWindowMs);
  lane.advance(first, start + 3 * failureWindowMs);

  const perSecond = lane.read(undefined).batches.map((batch) => batch.arms.canary?.failedUsers ?? 0);

  expect(perSecond[0]).toBe(2);
  expect(perSecond.reduce((a, b) => a + b)).toBe(3);
});

test('the same user failing on two arms is one first failure on each', () => {
  const lane = counts();
  lane.record(first, failed('a', 'canary'), start);
  lane.record(first, failed('a', 'stable'), start);
  lane.advance(first, start + 1_000);
  const [batch] = lane.read(undefined).batches;
  expect([batch?.arms.canary?.failedUsers, batch?.arms.stable?.failedUsers]).toEqual([1, 1]);
});

test('latencies beyond 1,000 are a uniform sample', () => {
  const lane = counts();
  for (let i = 0; i < 20_000; i++) lane.record(first, ok(`u${i}`, 'stable', i), start);
  lane.advance(first, start + 1_000);
  const sample = lane.read(undefined).batches[0]?.arms.stable?.latenciesMs ?? [];
  const mean = sample.reduce((a, b) => a + b) / sample.length;
  expect(sample).toHaveLength(maxLatencies);
  // Mean 10,000, standard error of 1,000 draws 183: five of them.
  expect(Math.abs(mean - 10_000)).toBeLessThan(915);
});

test('ten minutes are kept, also after a sleep of hours', () => {
  const lane = counts();
  lane.record(first, ok('a'), start);
  lane.advance(first, start + 7_200_000);
  const { batches } = lane.read(undefined);
  expect(batches).toHaveLength(keptSeconds);
  expect(batches.at(-1)?.second).toBe(start / 1000 + 7_199);
});
