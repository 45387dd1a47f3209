import { expect, test } from 'vitest';
import { planChaos, victims } from './plan.ts';

test('one seed gives one plan, another seed another', () => {
  expect(planChaos({ seed: 7, kills: 60 })).toEqual(planChaos({ seed: 7, kills: 60 }));
  expect(planChaos({ seed: 7, kills: 60 }).kills).not.toEqual(planChaos({ seed: 8, kills: 60 }).kills);
});

test('a long run kills every kind of process and stops two workers', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const plan = planChaos({ seed, kills: 60 });
    expect(new Set(plan.kills.map(({ victim }) => victim))).toEqual(new Set(victims));
    expect(plan.stopsAfter).toHaveLength(2);
  }
});

test('each application begins with a good release, and the storefront goes on with a bad one', () => {
  for (const kills of [1, 6, 60]) {
    const { releases } = planChaos({ seed: 3, kills });
    expect(Object.values(releases).map(([first]) => first)).toEqual(Object.values(releases).map(() => 'good'));
    expect(releases['storefront']?.[1]).toBe('bad');
  }
});
