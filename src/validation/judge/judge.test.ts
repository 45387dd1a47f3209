import { expect, test } from 'vitest';
import { batch, healthy, observeAll, open, seconds } from '../../../test/support/judged-batches.ts';
import { observe, openStage, verdictAtEnd, verdictOf, type Batch, type JudgeState, type Verdict } from './judge.ts';
import { noRatioCurve } from './rules/ratio-sequence.ts';

/** The code of the first reason. */
function code(verdict: Verdict): string | undefined {
  return verdict.reasons[0]?.code;
}

test('without data every E-value is 1 and the judge goes on', () => {
  const verdict = verdictOf(open());

  expect(verdict).toStrictEqual({
    kind: 'continue',
    logE: 0,
    logEPass: 0,
    fired: [],
    ratio: { estimate: null, low: 0, high: null, level: 0.99 },
    requests: { canary: 0, stable: 0 },
    errors: { canary: 0, stable: 0 },
    seconds: 0,
    rollbackAtSecond: null,
    passAtSecond: null,
    reasons: [{ code: 'canary.continue', sentence: 'No request has been counted yet: keep watching.' }],
    sentence: 'No request has been counted yet: keep watching.',
  });
});

test.each(['a1', 'a2', 'a3', 'a4'] as const)('an outage of the canary is rolled back by %s in its first second', (method) => {
  const verdict = verdictOf(observe(open({ method }), batch(100, [10, 10], [190, 1])));

  expect(verdict).toMatchObject({ kind: 'rollback', fired: ['errors'], rollbackAtSecond: 100, seconds: 1 });
  expect(verdict.logE).toBeGreaterThanOrEqual(-Math.log(0.01));
});

test.each(['a1', 'a2', 'a3', 'a4'] as const)('an incident of both arms is no reason to roll back by %s', (method) => {
  expect(
    verdictOf(
      observeAll(
        open({ method }),
        seconds(0, 60, (s) => batch(s, [10, 5], [190, 95])),
      ),
    ).kind,
  ).not.toBe('rollback');
});

test('a canary that is better makes the two-sided method fire, and is not rolled back', () => {
  const verdict = verdictOf(
    observeAll(
      open({ method: 'a2' }),
      seconds(0, 60, (s) => batch(s, [100, 0], [100, 2])),
    ),
  );

  expect(verdict.logE).toBeGreaterThan(Math.log(100));
  expect(verdict).toMatchObject({ kind: 'pass', fired: [] });
});

test('a rollback stays, whatever comes after', () => {
  const state = observeAll(
    observe(open(), batch(0, [10, 10], [190, 1])),
    seconds(1, 300, (s) => batch(s, [10, 0], [190, 10])),
  );

  expect(verdictOf(state)).toMatchObject({ kind: 'rollback', rollbackAtSecond: 0, fired: ['errors'] });
  expect(verdictOf(state).logE).toBeLessThan(0);
  expect(verdictOf(openStage(state)).kind).toBe('rollback');
  expect(verdictOf(state).logEPass).toBeGreaterThan(Math.log(20));
  expect(verdictOf(state).passAtSecond).toBeNull();
});

test('a canary that turns bad after it has passed is still rolled back', () => {
  const passed = observeAll(open(), seconds(0, 60, healthy));
  const verdict = verdictOf(
    observeAll(
      passed,
      seconds(60, 90, (s) => batch(s, [100, 20], [100, 1])),
    ),
  );

  expect(verdict.kind).toBe('rollback');
  expect(verdict.passAtSecond).toBeLessThan(60);
});

test('a canary as good as stable passes early, at the second its evidence reaches 1/beta', () => {
  const states: JudgeState[] = [];
  for (const next of seconds(0, 60, healthy)) states.push(observe(states.at(-1) ?? open(), next));
  const passing = states.findIndex((state) => verdictOf(state).kind === 'pass');

  expect(passing).toBeGreaterThan(5);
  expect(verdictOf(states[passing] ?? open())).toMatchObject({ passAtSecond: passing });
  expect(verdictOf(states[passing] ?? open()).logEPass).toBeGreaterThanOrEqual(Math.log(20));
  expect(verdictOf(states[passing - 1] ?? open()).logEPass).toBeLessThan(Math.log(20));
  expect(code(verdictOf(states.at(-1) ?? open()))).toBe('canary.non-inferior');
});

test('a pass waits for the minimum time, counted from the opening of its stage', () => {
  const late = observeAll(open({ minimumSeconds: 100 }), seconds(7, 200, healthy));
  expect(verdictOf(late).passAtSecond).toBe(106);

  const stage = observeAll(openStage(late), seconds(200, 400, healthy));
  expect(verdictOf(stage).passAtSecond).toBe(299);
});

test('a stage starts the pass, the share check and the clock afresh, and keeps the evidence of harm', () => {
  const share = { expectedShare: 0.5 };
  const before = observeAll(
    open(),
    seconds(0, 60, (s) => ({ ...healthy(s), ...share })),
  );
  const after = openStage(before);

  expect(after.comparisons.errors?.harm).toStrictEqual(before.comparisons.errors?.harm);
  expect(verdictOf(after)).toMatchObject({ kind: 'continue', logEPass: 0, passAtSecond: null, logE: verdictOf(before).logE });
  expect(after.share.requests).toBe(0);
  expect(observe(after, healthy(60)).stageOpenedAt).toBe(60);
  expect(observe(after, healthy(60)).openedAt).toBe(0);
});

test('nothing passes after the deadline, and what is neither harmful nor shown safe by then is inconclusive', () => {
  const options = { deadlineSeconds: 5 };
  const almost = observeAll(open(options), seconds(0, 4, healthy));
  expect(verdictOf(almost).kind).toBe('continue');

  const over = observe(almost, healthy(4));
  expect(verdictOf(over)).toMatchObject({ kind: 'inconclusive', reasons: [{ code: 'canary.deadline' }] });
  expect(verdictOf(over).sentence).toMatch(/neither harm nor safety is shown after 5 s\.$/);
  const later = observeAll(over, seconds(5, 100, healthy));
  expect(verdictOf(later)).toMatchObject({ kind: 'inconclusive', passAtSecond: null });
  expect(verdictOf(observe(later, batch(100, [100, 100], [100, 0]))).kind).toBe('rollback');
});

test('the deadline counts from the opening of the stage, wherever its clock stands', () => {
  const first = observeAll(open({ deadlineSeconds: 5 }), seconds(1000, 1004, healthy));
  expect(verdictOf(first).kind).toBe('continue');
  expect(verdictOf(observe(first, healthy(1004))).kind).toBe('inconclusive');

  const second = observeAll(openStage(first), seconds(1100, 1104, healthy));
  expect(verdictOf(second).kind).toBe('continue');
  expect(verdictOf(observe(second, healthy(1104))).sentence).toMatch(/after 5 s\.$/);
});

test('a pass at the last second of the deadline counts', () => {
  const first = verdictOf(observeAll(open(), seconds(0, 60, healthy))).passAtSecond ?? 0;

  expect(verdictOf(observeAll(open({ deadlineSeconds: first + 1 }), seconds(0, 60, healthy))).kind).toBe('pass');
  expect(verdictOf(observeAll(open({ deadlineSeconds: first }), seconds(0, 60, healthy))).kind).toBe('inconclusive');
});

test('an input that ends without a request on an arm is inconclusive, never a pass', () => {
  const silent = observe(open(), batch(0, [0, 0], [190, 5]));
  expect(verdictOf(silent).kind).toBe('continue');
  expect(verdictAtEnd(silent)).toMatchObject({
    kind: 'inconclusive',
    reasons: [{ code: 'canary.no-data', evidence: { canary: 0, stable: 190 } }],
  });
  expect(verdictAtEnd(silent).sentence).toBe('No request counted on the canary in 1 s: nothing to compare.');

  expect(verdictAtEnd(observe(open(), batch(0, [10, 1], [0, 0]))).sentence).toBe(
    'No request counted on stable in 1 s: nothing to compare.',
  );
  expect(verdictAtEnd(open()).sentence).toBe('No request counted on the canary and stable in 0 s: nothing to compare.');
  expect(verdictAtEnd(observe(open(), healthy(0))).kind).toBe('continue');
  expect(verdictAtEnd(observe(open(), batch(0, [10, 10], [190, 1]))).kind).toBe('rollback');
});

test('a deadline that finds one arm silent says so', () => {
  const verdict = verdictOf(
    observeAll(
      open({ deadlineSeconds: 3 }),
      seconds(0, 3, (s) => batch(s, [0, 0], [190, 1])),
    ),
  );

  expect(verdict).toMatchObject({ kind: 'inconclusive', reasons: [{ code: 'canary.no-data' }] });
});

test('traffic that stops does not pass, however good it was', () => {
  const kindAfter = (silenceSeconds: number, rest: (second: number) => Batch): Verdict['kind'] => {
    const state = observeAll(open({ minimumSeconds: 200, silenceSeconds }), [...seconds(0, 80, healthy), ...seconds(80, 200, rest)]);
    return verdictOf(state).kind;
  };

  expect(kindAfter(60, (s) => batch(s, [0, 0], [0, 0]))).toBe('continue');
  expect(kindAfter(60, (s) => batch(s, [0, 0], [100, 0]))).toBe('continue');
  expect(kindAfter(60, (s) => batch(s, [100, 0], [0, 0]))).toBe('continue');
  expect(kindAfter(60, (s) => batch(s, [100, 0], [100, 0]))).toBe('pass');
  // Both last served in second 139; the minimum time ends in second 199.
  expect(kindAfter(60, (s) => batch(s, [s < 140 ? 1 : 0, 0], [s < 140 ? 1 : 0, 0]))).toBe('continue');
  expect(kindAfter(61, (s) => batch(s, [s < 140 ? 1 : 0, 0], [s < 140 ? 1 : 0, 0]))).toBe('pass');
});

test('a share other than the one set is inconclusive, and passes no more', () => {
  const wrong = (second: number): Batch => ({ ...healthy(second), expectedShare: 0.1 });
  const verdict = verdictOf(observeAll(open(), seconds(0, 60, wrong)));

  expect(verdict).toMatchObject({ kind: 'inconclusive', passAtSecond: null, reasons: [{ code: 'canary.share-mismatch' }] });
  expect(verdict.sentence).toBe(
    'The canary served 50.0 % of the requests where 10.0 % were set: the counts do not compare the two versions.',
  );
  expect(verdict.reasons[0]?.evidence).toStrictEqual({ second: 0, served: 0.5, expected: 0.1 });
});

test('a canary that gets no traffic at all though its weight is set is a mismatched share', () => {
  const verdict = verdictOf(
    observeAll(
      open(),
      seconds(0, 60, (s) => batch(s, [0, 0], [190, 1], { expectedShare: 0.05 })),
    ),
  );

  expect(code(verdict)).toBe('canary.share-mismatch');
});

test('the share that was set is no mismatch, and a stage opened again forgets one', () => {
  const right = seconds(0, 60, (s) => ({ ...healthy(s), expectedShare: 0.5 }));
  expect(verdictOf(observeAll(open(), right)).kind).toBe('pass');

  const wrong = observeAll(
    open(),
    seconds(0, 20, (s) => ({ ...healthy(s), expectedShare: 0.1 })),
  );
  expect(verdictOf(openStage(wrong)).kind).toBe('continue');
});

test('harm outranks a mismatched share: users are not left on a failing version', () => {
  const verdict = verdictOf(
    observeAll(
      open(),
      seconds(0, 10, (s) => batch(s, [100, 30], [100, 0], { expectedShare: 0.1 })),
    ),
  );

  expect(verdict.kind).toBe('rollback');
});

test('batches of the warm-up are not counted, and the rest is', () => {
  const state = observeAll(
    open({ warmUpSeconds: 10 }),
    seconds(50, 60, (s) => batch(s, [10, 9], [190, 0])),
  );
  expect(verdictOf(state)).toMatchObject({ kind: 'continue', requests: { canary: 0, stable: 0 }, seconds: 10 });
  expect(state.curve).toBe(noRatioCurve);

  expect(verdictOf(observe(state, batch(60, [10, 10], [190, 0])))).toMatchObject({
    kind: 'rollback',
    requests: { canary: 10, stable: 190 },
  });
});

test('an outage without control traffic is stopped even in the warm-up', () => {
  const state = observeAll(
    open({ warmUpSeconds: 60 }),
    seconds(0, 2, (s) => batch(s, [5, 5], [0, 0])),
  );

  expect(verdictOf(state)).toMatchObject({
    kind: 'rollback',
    fired: ['hard-stop'],
    rollbackAtSecond: 1,
    reasons: [{ code: 'canary.hard-stop' }],
  });
  expect(verdictOf(state).sentence).toBe('10 users in a row failed on the canary and not one request succeeded: roll back.');
});

test('a tolerated ratio is tolerated', () => {
  const half = (s: number): Batch => batch(s, [100, s % 2 === 0 ? 3 : 2], [100, 2]);

  expect(verdictOf(observeAll(open(), seconds(0, 600, half))).kind).toBe('rollback');
  expect(verdictOf(observeAll(open({ toleratedRatio: 1.25 }), seconds(0, 600, half))).kind).not.toBe('rollback');
});

test('without a limit nothing passes early', () => {
  const verdict = verdictOf(observeAll(open({ nonInferiorityRatio: null }), seconds(0, 300, healthy)));

  expect(verdict).toMatchObject({ kind: 'continue', logEPass: null, passAtSecond: null });
});

test('a fresh instance of stable can be the control: what youth alone does is not held against the canary', () => {
  const young = (s: number): Batch => batch(s, [50, 3], [900, 5], { baseline: { requests: 50, errors: 3 } });
  const againstStable = verdictOf(observeAll(open(), seconds(0, 60, young)));
  expect(againstStable).toMatchObject({ kind: 'rollback', reasons: [{ code: 'canary.errors' }, { code: 'canary.fresh-baseline' }] });

  const againstFresh = verdictOf(observeAll(open({ control: 'baseline' }), seconds(0, 60, young)));
  expect(againstFresh).toMatchObject({ kind: 'pass', requests: { canary: 3000, stable: 3000 }, errors: { canary: 180, stable: 180 } });
  expect(againstFresh.sentence).toMatch(/^The canary fails 1\.0 times as often as baseline/);
  expect(againstFresh.reasons.map((reason) => reason.code)).toStrictEqual(['canary.non-inferior', 'canary.fresh-baseline']);
});

test('a healthy fresh instance adds no reason, and a control that is missing from the batch is no data', () => {
  const calm = (s: number): Batch => ({ ...healthy(s), baseline: { requests: 100, errors: s % 2 } });
  expect(verdictOf(observeAll(open(), seconds(0, 40, calm))).reasons).toHaveLength(1);
  const gap = observeAll(open(), [calm(0), healthy(1), calm(2)]);
  expect(gap.freshness).not.toBeNull();

  expect(verdictAtEnd(observe(open({ control: 'baseline' }), healthy(0))).sentence).toBe(
    'No request counted on baseline in 1 s: nothing to compare.',
  );
});

test('a batch that cannot be is refused, and the state stays as it was', () => {
  const state = observe(open(), healthy(5));

  expect(() => observe(state, healthy(4))).toThrow('expected 5 or later, got 4');
  expect(() => observe(state, batch(6, [1, 2], [1, 0]))).toThrow(expect.objectContaining({ code: 'judge.batch' }));
  expect(observe(state, healthy(5)).counted.canary.requests).toBe(200);
});
