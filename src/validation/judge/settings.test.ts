import { expect, test } from 'vitest';
import { Fault } from '../../platform/fault.ts';
import { resolveSettings, type JudgeOptions } from './settings.ts';

function faultsOf(options: unknown): readonly string[] {
  try {
    resolveSettings(options as JudgeOptions);
    return [];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return error.faults.map((fault) => `${fault.pointer}: ${fault.detail}`);
  }
}

test('what is left out has a default', () => {
  expect(resolveSettings()).toStrictEqual({
    method: 'a1',
    alpha: 0.01,
    toleratedRatio: 1,
    nonInferiorityRatio: 2,
    beta: 0.05,
    minimumSeconds: 0,
    warmUpSeconds: 0,
    restartEverySeconds: 60,
    silenceSeconds: 60,
    hardStopFailures: 10,
    shareAlpha: 0.001,
    shareTolerance: 1.5,
    control: 'stable',
    errorsWeight: 1,
    metrics: [],
    segments: [],
  });
});

test('what is given replaces its default, and undefined does not', () => {
  const options = {
    alpha: 0.02,
    deadlineSeconds: 600,
    method: undefined,
    metrics: [{ name: 'checkout' }],
    segments: [{ name: 'DE', weight: 3 }],
  };
  const settings = resolveSettings(options as unknown as JudgeOptions);

  expect(settings).toMatchObject({ alpha: 0.02, method: 'a1', deadlineSeconds: 600 });
  expect(settings.metrics).toStrictEqual([{ name: 'checkout', weight: 1, required: true }]);
  expect(settings.segments).toStrictEqual([{ name: 'DE', weight: 3, required: false }]);
  expect(resolveSettings({ latency: {} }).latency).toStrictEqual({ weight: 1, margin: 0.2 });
  expect(resolveSettings({ latency: { quantile: 0.95, weight: 2 } }).latency).toStrictEqual({ weight: 2, margin: 0.2, quantile: 0.95 });
  expect('nonInferiorityRatio' in resolveSettings({ nonInferiorityRatio: null })).toBe(false);
  expect(resolveSettings({ metrics: [{ name: 'm', weight: 2, required: false }] }).metrics).toStrictEqual([
    { name: 'm', weight: 2, required: false },
  ]);
});

test.each([
  [{ alpha: 0 }, '/alpha: expected a number between 0 and 1, got 0'],
  [{ alpha: 1 }, '/alpha: expected a number between 0 and 1, got 1'],
  [{ alpha: '0.5' }, '/alpha: expected a number between 0 and 1, got "0.5"'],
  [{ alpha: Number.NaN }, '/alpha: expected a number between 0 and 1, got null'],
  [{ beta: 0 }, '/beta: expected a number between 0 and 1, got 0'],
  [{ beta: 1 }, '/beta: expected a number between 0 and 1, got 1'],
  [{ shareAlpha: 0 }, '/shareAlpha: expected a number between 0 and 1, got 0'],
  [{ shareAlpha: 1 }, '/shareAlpha: expected a number between 0 and 1, got 1'],
  [{ toleratedRatio: 0.99 }, '/toleratedRatio: expected a finite number of at least 1, got 0.99'],
  [{ toleratedRatio: Infinity, nonInferiorityRatio: null }, '/toleratedRatio: expected a finite number of at least 1, got null'],
  [{ toleratedRatio: 2 }, '/toleratedRatio: expected less than the non-inferiority ratio 2, got 2'],
  [{ nonInferiorityRatio: Infinity }, '/nonInferiorityRatio: expected a finite number above 1, got null'],
  [{ shareTolerance: 0.9 }, '/shareTolerance: expected a finite number of at least 1, got 0.9'],
  [{ shareTolerance: Infinity }, '/shareTolerance: expected a finite number of at least 1, got null'],
  [{ minimumSeconds: -1 }, '/minimumSeconds: expected seconds from 0, got -1'],
  [{ minimumSeconds: Infinity }, '/minimumSeconds: expected seconds from 0, got null'],
  [{ warmUpSeconds: -1 }, '/warmUpSeconds: expected seconds from 0, got -1'],
  [{ warmUpSeconds: Infinity }, '/warmUpSeconds: expected seconds from 0, got null'],
  [{ deadlineSeconds: 0 }, '/deadlineSeconds: expected seconds above 0, got 0'],
  [{ deadlineSeconds: Infinity }, '/deadlineSeconds: expected seconds above 0, got null'],
  [{ deadlineSeconds: 10, minimumSeconds: 11 }, '/minimumSeconds: expected at most the deadline of 10 s, got 11'],
  [{ horizonSeconds: 0 }, '/horizonSeconds: expected seconds above 0, got 0'],
  [{ horizonSeconds: Infinity }, '/horizonSeconds: expected seconds above 0, got null'],
  [{ restartEverySeconds: 0.5 }, '/restartEverySeconds: expected at least one second, got 0.5'],
  [{ restartEverySeconds: Infinity }, '/restartEverySeconds: expected at least one second, got null'],
  [{ silenceSeconds: 0 }, '/silenceSeconds: expected at least one second, got 0'],
  [{ hardStopFailures: 0 }, '/hardStopFailures: expected a whole number from 1, got 0'],
  [{ hardStopFailures: 1.5 }, '/hardStopFailures: expected a whole number from 1, got 1.5'],
  [{ errorsWeight: 0 }, '/errorsWeight: expected a finite number above 0, got 0'],
  [{ errorsWeight: Infinity }, '/errorsWeight: expected a finite number above 0, got null'],
  [{ method: 'a9' }, '/method: expected one of a1, a2, a3, a4, got "a9"'],
  [{ control: 'other' }, '/control: expected stable or baseline, got "other"'],
  [{ latency: { weight: 0 } }, '/latency/weight: expected a finite number above 0, got 0'],
  [{ latency: { weight: Infinity } }, '/latency/weight: expected a finite number above 0, got Infinity'],
  [{ latency: { quantile: 0 } }, '/latency/quantile: expected between 0 and 1, got 0'],
  [{ latency: { quantile: 1 } }, '/latency/quantile: expected between 0 and 1, got 1'],
  [{ latency: { margin: 0 } }, '/latency/margin: expected a finite number above 0, got 0'],
  [{ latency: { margin: Infinity } }, '/latency/margin: expected a finite number above 0, got Infinity'],
  [{ metrics: [{ name: 'a' }, { name: 'a' }] }, '/metrics/1/name: expected each name once, got a again'],
  [{ metrics: [{ name: 'a', weight: 0 }] }, '/metrics/0/weight: expected a finite number above 0, got 0'],
  [{ segments: [{ name: 'a', weight: Infinity }] }, '/segments/0/weight: expected a finite number above 0, got Infinity'],
  [{ metrics: [{ name: 'errors' }] }, '/metrics/0/name: expected a name other than errors, latency, hard-stop or segment …, got "errors"'],
  [
    { metrics: [{ name: 'segment x' }] },
    '/metrics/0/name: expected a name other than errors, latency, hard-stop or segment …, got "segment x"',
  ],
  [{ segments: [{ name: '' }] }, '/segments/0/name: expected a name other than errors, latency, hard-stop or segment …, got ""'],
])('%j is refused with what was expected', (options, expected) => {
  expect(faultsOf(options)).toStrictEqual([expected]);
});

test('the limits themselves are allowed', () => {
  expect(
    faultsOf({
      minimumSeconds: 10,
      deadlineSeconds: 10,
      toleratedRatio: 1.99,
      restartEverySeconds: 1,
      silenceSeconds: 1,
      hardStopFailures: 1,
    }),
  ).toStrictEqual([]);
  expect(faultsOf({ toleratedRatio: 5, nonInferiorityRatio: null, shareTolerance: 1, warmUpSeconds: 0 })).toStrictEqual([]);
});

test('all faults are reported at once', () => {
  expect(faultsOf({ alpha: 2, beta: -1, nonInferiorityRatio: 1 })).toHaveLength(4);
  expect(() => resolveSettings({ alpha: 2, beta: 3 })).toThrow(
    expect.objectContaining({
      code: 'judge.settings',
      status: 422,
      remedy: expect.stringContaining('every value named'),
      message: 'Judge settings: /alpha: expected a number between 0 and 1, got 2; /beta: expected a number between 0 and 1, got 3',
    }),
  );
});
