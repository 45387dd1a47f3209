import { expect, test } from 'vitest';
import { batch, healthy, observeAll, open, seconds } from '../../../test/support/judged-batches.ts';
import { verdictAtEnd, verdictOf, type Batch } from './judge.ts';

test('every reason that stops a release says what can be done, and carries its facts', () => {
  const mismatched = verdictOf(
    observeAll(
      open(),
      seconds(0, 60, (s) => ({ ...healthy(s), expectedShare: 0.1 })),
    ),
  );
  const late = verdictOf(observeAll(open({ deadlineSeconds: 3 }), seconds(0, 3, healthy)));
  const empty = verdictAtEnd(open());
  const young = verdictOf(
    observeAll(
      open(),
      seconds(0, 60, (s) => batch(s, [50, 3], [900, 5], { baseline: { requests: 50, errors: 3 } })),
    ),
  );

  expect(mismatched.reasons[0]?.remedy).toMatch(/router weights/);
  expect(late.reasons[0]?.remedy).toMatch(/more time/);
  expect(empty.reasons[0]?.remedy).toMatch(/version label/);
  expect(young.reasons[1]?.remedy).toMatch(/control: baseline/);
  expect(young.reasons[1]?.sentence).toMatch(/^A fresh instance of the stable version fails more often/);
  expect(young.reasons[0]?.evidence).toStrictEqual({ second: young.rollbackAtSecond, fired: ['errors'] });
  const passed = verdictOf(observeAll(open(), seconds(0, 60, healthy)));
  expect(passed.reasons[0]?.evidence).toStrictEqual({ second: passed.passAtSecond, limit: 2 });
});

test('the sentence says what a release manager needs', () => {
  const sentence = (...batches: readonly Batch[]) => verdictOf(observeAll(open(), batches)).sentence;

  expect(sentence(...seconds(0, 40, (s) => batch(s, [100, 4], [100, 1])))).toMatch(
    /^The canary fails 4\.0 times as often as stable \(2\.\d to 8\.\d at 99 %\): roll back\.$/,
  );
  expect(sentence(batch(0, [10, 1], [190, 0]))).toBe('The canary has failed once in 10 requests, stable never in 190: keep watching.');
  expect(sentence(...seconds(0, 5, (s) => batch(s, [100, 5], [900, 0])))).toMatch(
    /^The canary has failed 25 times in 500 requests, stable never in 4500 \(at least \d+ times as often at 99 %\): roll back\.$/,
  );
  expect(sentence(...seconds(0, 40, (s) => batch(s, [100, 20], [900, 3])))).toMatch(
    /^The canary fails 60 times as often as stable \(\d\d to \d+ at 99 %\): roll back\.$/,
  );
  expect(sentence(...seconds(0, 400, (s) => batch(s, [500, s % 20 === 0 ? 1 : 0], [500, 1])))).toMatch(
    /^The canary fails 0\.05 times as often as stable/,
  );
  expect(sentence(...seconds(0, 60, (s) => batch(s, [100, 0], [100, 1])))).toMatch(
    /^The canary has not failed in 6000 requests, stable has 60 times in 6000 \(at most 0\.\d times as often at 99 %\), and not 2 times as often at 95 %: pass\.$/,
  );
});
