import fc from 'fast-check';
import { expect, test } from 'vitest';
import { duration, powerOf, type PowerQuestion } from './power.ts';

const usual: PowerQuestion = { rps: 200, share: 0.05, base: 0.005, detect: 4, alpha: 0.01, rho0: 1, ni: 2, beta: 0.05 };

test('agrees with what simulation measures at the goals', () => {
  // Means of 54 s and 327 s over 1,500 simulated runs.
  expect(powerOf(usual).seconds).toBeGreaterThan(45);
  expect(powerOf(usual).seconds).toBeLessThan(65);
  expect(powerOf({ ...usual, detect: 2 }).seconds).toBeGreaterThan(280);
  expect(powerOf({ ...usual, detect: 2 }).seconds).toBeLessThan(380);
});

test('more traffic and more harm are noticed sooner, less false alarm later', () => {
  const question = fc.record({
    ...Object.fromEntries(Object.entries(usual).map(([name, value]) => [name, fc.constant(value)])),
    rps: fc.double({ min: 1, max: 1000, noNaN: true }),
    share: fc.double({ min: 0.01, max: 0.5, noNaN: true }),
    detect: fc.double({ min: 1.3, max: 50, noNaN: true }),
  }) as unknown as fc.Arbitrary<PowerQuestion>;
  const seconds = (one: PowerQuestion): number => powerOf(one).seconds ?? Infinity;
  fc.assert(
    fc.property(question, (one) => {
      expect(seconds({ ...one, rps: one.rps * 2 })).toBeLessThanOrEqual(seconds(one));
      expect(seconds({ ...one, detect: one.detect * 1.5 })).toBeLessThanOrEqual(seconds(one));
      expect(seconds({ ...one, alpha: 0.001 })).toBeGreaterThanOrEqual(seconds(one));
    }),
    // Each run asks for four horizons of up to a day, simulated second by second.
    { numRuns: 15 },
  );
});

test('the least harm and the least share do what is said of them', () => {
  const answer = powerOf({ ...usual, rps: 40, detect: 1.5 });
  const least = answer.smallestRatioInAnHour ?? 0;
  expect(powerOf({ ...answer, detect: least }).seconds).toBeLessThanOrEqual(3600);
  expect(powerOf({ ...answer, detect: least * 0.99 }).seconds).toBeGreaterThan(3600);
  const share = answer.shareForAnHour ?? 0;
  expect(powerOf({ ...answer, share }).seconds).toBeLessThanOrEqual(3600);
  expect(powerOf({ ...answer, share: share * 0.98 }).seconds).toBeGreaterThan(3600);
});

test.each([
  [{ share: 0 }, 'there is nothing to compare (200 requests/s, 0 % canary, 0.5 % errors)'],
  [{ share: 1 }, 'there is nothing to compare (200 requests/s, 100 % canary, 0.5 % errors)'],
  [{ rps: 0 }, 'there is nothing to compare (0 requests/s, 5 % canary, 0.5 % errors)'],
  [{ base: 0 }, 'there is nothing to compare (200 requests/s, 5 % canary, 0 % errors)'],
  [{ detect: 1.05 }, 'that is too close to the 1 times that are tolerated'],
  [{ rho0: 1.5, detect: 1.5 }, 'that is too close to the 1.5 times that are tolerated'],
])('with %j it cannot fire: %s', (change, why) => {
  const answer = powerOf({ ...usual, ...change });
  expect(answer).toMatchObject({ canFire: false, seconds: null });
  expect(answer.sentence).toContain(`cannot fire: ${why}`);
});

test('durations are said in the unit a person would use', () => {
  expect([52, 119, 120, 7199, 7200, 172_800].map(duration)).toEqual(['52 s', '119 s', '2 minutes', '120 minutes', '2.0 hours', '2 days']);
});
