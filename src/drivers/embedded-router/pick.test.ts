import fc from 'fast-check';
import { expect, test } from 'vitest';
import { armSeed, pick } from './pick.ts';

const lane = 'shop/production';
const users = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
const arms = (weights: Readonly<Record<string, number>>) =>
  Object.entries(weights).map(([deployment, weight]) => ({ deployment, seed: armSeed(lane, deployment), weight }));

test('shares of users match the weights', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99 }), fc.uuid(), fc.uuid(), (share, stable, canary) => {
      fc.pre(stable !== canary);
      const route = arms({ [stable]: 100 - share, [canary]: share });
      const onCanary = users.filter((user) => route[pick(route, user)]?.deployment === canary).length;
      const p = share / 100;
      // 5 standard deviations of a binomial: one false failure in 1.7 million draws.
      expect(Math.abs(onCanary - users.length * p)).toBeLessThan(5 * Math.sqrt(users.length * p * (1 - p)) + 1);
    }),
    { numRuns: 60 },
  );
});

test('a user on an arm stays there while its share rises', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 2, maxLength: 6 }), fc.string(), (id, shares, user) => {
      const rising = shares.toSorted((a, b) => a - b);
      const chosen = rising.map((share) => {
        const route = arms({ [`a-${id}`]: 100 - share, [`b-${id}`]: share });
        return route[pick(route, user)]?.deployment === `b-${id}`;
      });
      expect(chosen).toEqual(chosen.toSorted((a, b) => Number(a) - Number(b)));
    }),
    { numRuns: 2_000 },
  );
});

test('with three arms, nobody leaves the arm that grows', () => {
  const before = arms({ stable: 90, baseline: 5, canary: 5 });
  const after = arms({ stable: 70, baseline: 5, canary: 25 });
  const moves = users.map((user) => [before[pick(before, user)]?.deployment, after[pick(after, user)]?.deployment] as const);
  const wrong = moves.filter(([from, to]) => from !== to && to !== 'canary');
  // Growing from 5:90 to 25:70 with the baseline at 5 makes the baseline grow against the stable arm as well.
  expect(wrong.filter(([from, to]) => !(from === 'stable' && to === 'baseline'))).toEqual([]);
  expect(moves.filter(([from, to]) => from === 'canary' && to !== 'canary')).toEqual([]);
});

test('the order of the arms does not matter', () => {
  const route = arms({ one: 30, two: 70 });
  const reversed = route.toReversed();
  for (const user of users.slice(0, 2_000)) expect(reversed[pick(reversed, user)]?.deployment).toBe(route[pick(route, user)]?.deployment);
});

test('an arm without weight is never picked, and no weight at all picks none', () => {
  const route = arms({ stable: 100, canary: 0 });
  for (const user of users.slice(0, 2_000)) expect(route[pick(route, user)]?.deployment).toBe('stable');
  expect(pick(arms({ stable: 0 }), 'anyone')).toBe(-1);
  expect(pick(arms({ stable: 60, canary: 40 }), 'anyone', () => false)).toBe(-1);
});

test('another deployment draws its users anew', () => {
  const first = arms({ stable: 90, 'canary-1': 10 });
  const second = arms({ stable: 90, 'canary-2': 10 });
  const both = users.filter((user) => pick(first, user) === 1 && pick(second, user) === 1).length;
  // 10 % of the users are on each canary; far fewer than all of them are on both.
  expect(both).toBeLessThan(users.length * 0.07);
});
