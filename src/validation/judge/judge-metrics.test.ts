import { expect, test } from 'vitest';
import { batch, healthy, observeAll, open, seconds } from '../../../test/support/judged-batches.ts';
import { observe, verdictOf, type Batch, type JudgeOptions } from './judge.ts';

test('latency alone rolls a canary back', () => {
  const slow = (s: number): Batch => ({
    ...healthy(s),
    latency: { canary: [300, 310, 320], stable: Array.from({ length: 57 }, (_, i) => 100 + i) },
  });
  const verdict = verdictOf(observeAll(open({ latency: {} }), seconds(0, 30, slow)));

  expect(verdict).toMatchObject({ kind: 'rollback', fired: ['latency'], blame: ['latency'], reasons: [{ code: 'canary.latency' }] });
  expect(verdict.sentence).toBe('The canary answers more slowly than stable in the same seconds: roll back.');
  expect(verdictOf(observeAll(open(), seconds(0, 30, slow))).kind).not.toBe('rollback');
});

test('a latency quantile that is asked for must be within its margin before a pass', () => {
  const timed =
    (factor: number) =>
    (s: number): Batch => {
      const sample = (count: number, f: number) => Array.from({ length: count }, (_, i) => f * (100 + ((i * 37 + s * 11) % 60)));
      return { ...healthy(s), latency: { canary: sample(10, factor), stable: sample(10, 1) } };
    };
  const options = { latency: { quantile: 0.5, margin: 0.12 } };

  const good = verdictOf(observeAll(open(options), seconds(0, 200, timed(1))));
  expect(good.kind).toBe('pass');
  expect(good.passAtSecond).toBeGreaterThan(verdictOf(observeAll(open(), seconds(0, 200, healthy))).passAtSecond ?? Infinity);
  expect(good.quantile).toMatchObject({ quantile: 0.5 });
  expect(good.quantile?.canary.low).toBeGreaterThan(100);
  expect(good.quantile?.canary.high).toBeLessThan(160);
  const never = open({ latency: { quantile: 0.5, margin: 0.01 } });
  expect(verdictOf(observeAll(never, seconds(0, 200, timed(1)))).kind).toBe('continue');
  expect(verdictOf(observeAll(open({ latency: {} }), seconds(0, 200, timed(1)))).kind).toBe('pass');
  expect(verdictOf(observeAll(open(options), seconds(0, 200, healthy))).kind).toBe('continue');
});

const metrics = [{ name: 'checkout' }, { name: 'search', required: false }];

test('one bad metric of several is found, rolled back and blamed', () => {
  const fine = { canary: { requests: 100, errors: 1 }, stable: { requests: 100, errors: 1 } };
  const bad = { canary: { requests: 100, errors: 10 }, stable: { requests: 100, errors: 1 } };
  const state = observeAll(
    open({ metrics }),
    seconds(0, 30, (s) => ({ ...healthy(s), metrics: { checkout: bad, search: fine } })),
  );

  expect(verdictOf(state)).toMatchObject({
    kind: 'rollback',
    fired: ['checkout'],
    blame: ['checkout'],
    reasons: [{ code: 'canary.metrics' }],
  });
  expect(verdictOf(state).sentence).toBe('The canary is worse than stable in checkout: roll back.');
});

test('a pass waits for every required metric, and for no other', () => {
  const fine = { canary: { requests: 100, errors: 1 }, stable: { requests: 100, errors: 1 } };
  const withBoth = observeAll(
    open({ metrics }),
    seconds(0, 60, (s) => ({ ...healthy(s), metrics: { checkout: fine, search: fine } })),
  );
  const withoutSearch = observeAll(
    open({ metrics }),
    seconds(0, 60, (s) => ({ ...healthy(s), metrics: { checkout: fine } })),
  );
  const withoutCheckout = observeAll(
    open({ metrics }),
    seconds(0, 60, (s) => ({ ...healthy(s), metrics: { search: fine } })),
  );

  expect([withBoth, withoutSearch, withoutCheckout].map((state) => verdictOf(state).kind)).toStrictEqual(['pass', 'pass', 'continue']);
});

test('evidence is averaged with the weights given: ten metrics need ln 10 more of one', () => {
  const fine = open({ metrics: Array.from({ length: 9 }, (_, i) => ({ name: `m${i}` })) });
  const bad = batch(0, [10, 3], [190, 0]);

  const alone = verdictOf(observe(open(), bad)).logE;
  expect(verdictOf(observe(fine, bad)).logE).toBeCloseTo(Math.log((Math.exp(alone) + 9) / 10), 9);
  const critical = open({ errorsWeight: 3, metrics: [{ name: 'm', weight: 0.5 }], latency: { weight: 0.5 } });
  expect(verdictOf(observe(critical, bad)).logE).toBeCloseTo(Math.log((3 * Math.exp(alone) + 1) / 4), 9);
});

test('a segment has evidence of its own: harm in one country is found in the calm of the rest', () => {
  const pair = (canaryErrors: number) => ({ canary: { requests: 20, errors: canaryErrors }, stable: { requests: 20, errors: 1 } });
  const options = { segments: [{ name: 'DE' }, { name: 'FR' }] };
  const state = observeAll(
    open(options),
    seconds(0, 60, (s) => batch(s, [400, 22], [400, 20], { segments: { DE: pair(6), FR: pair(1) } })),
  );

  expect(verdictOf(state)).toMatchObject({ kind: 'rollback', fired: ['segment DE'], blame: ['segment DE'] });
  expect(verdictOf(state).sentence).toBe('The canary is worse than stable in segment DE: roll back.');
});

test('a segment carries its part of the average', () => {
  const bad = batch(0, [10, 3], [190, 0]);
  const alone = verdictOf(observe(open(), bad)).logE;
  const withSegment = open({ segments: [{ name: 'DE', weight: 3 }] });
  const half = observe(withSegment, { ...bad, segments: { DE: { canary: bad.canary, stable: bad.stable } } });

  expect(verdictOf(observe(withSegment, bad)).logE).toBeCloseTo(Math.log((Math.exp(alone) + 3) / 4), 9);
  expect(verdictOf(half).logE).toBeCloseTo(alone, 9);
});

test('a two-sided method blames no metric in which the canary is better', () => {
  const better = { canary: { requests: 100, errors: 0 }, stable: { requests: 100, errors: 3 } };
  const state = observeAll(
    open({ method: 'a2', metrics: [{ name: 'checkout' }] }),
    seconds(0, 60, (s) => ({ ...healthy(s), metrics: { checkout: better } })),
  );

  expect(verdictOf(state).logE).toBeGreaterThan(Math.log(100));
  expect(verdictOf(state)).toMatchObject({ fired: [], blame: [] });
});

test('two bad metrics are both named', () => {
  const bad = { canary: { requests: 100, errors: 10 }, stable: { requests: 100, errors: 1 } };
  const state = observeAll(
    open({ metrics: [{ name: 'checkout' }, { name: 'search' }] }),
    seconds(0, 30, (s) => ({ ...healthy(s), metrics: { checkout: bad, search: bad } })),
  );

  expect(verdictOf(state).sentence).toBe('The canary is worse than stable in checkout, search: roll back.');
});

test('a metric of weight v stops a4 where its share of the average alone reaches the bar', () => {
  const options: JudgeOptions = { method: 'a4', metrics: [{ name: 'm', weight: 3 }] };
  const state = observe(open(options), batch(0, [10, 10], [190, 0]));

  expect(verdictOf(state).kind).toBe('rollback');
  expect(verdictOf(state).logE).toBeCloseTo(Math.log(100 + 0.75), 9);
});
