import { expect, test } from 'vitest';
import { checkBatch, faultsOfBatch, splitOf, type Batch } from './batch.ts';

const fine: Batch = { second: 5, canary: { requests: 10, errors: 1 }, stable: { requests: 190, errors: 2 } };

function pointers(batch: unknown, after: number | null = null): readonly (string | undefined)[] {
  return faultsOfBatch(batch as Batch, after).map((fault) => fault.pointer);
}

test('a split is the share of the canary in requests, and the errors of both', () => {
  expect(splitOf(fine.canary, fine.stable)).toStrictEqual({ share: 0.05, canaryErrors: 1, errors: 3 });
  expect(splitOf({ requests: 0, errors: 0 }, { requests: 0, errors: 0 })).toStrictEqual({ share: 0, canaryErrors: 0, errors: 0 });
});

test('sound batches have no fault: zeros, a second in parts, every optional field', () => {
  expect(pointers(fine)).toStrictEqual([]);
  expect(pointers(fine, 5)).toStrictEqual([]);
  const zero = { requests: 0, errors: 0 };
  expect(pointers({ second: 0, canary: zero, stable: zero, expectedShare: 0 })).toStrictEqual([]);
  const all = { requests: 3, errors: 3, failedRequests: 3 };
  const latency = { canary: [0, 1.5], stable: [] };
  const pair = { canary: all, stable: zero };
  expect(
    pointers({
      second: 0,
      canary: all,
      stable: all,
      baseline: all,
      latency,
      expectedShare: 1,
      metrics: { m: pair },
      segments: { s: pair },
    }),
  ).toStrictEqual([]);
});

test.each([
  ['a negative count', { ...fine, canary: { requests: -1, errors: 0 } }, ['/canary/requests', '/canary/errors']],
  ['a fraction', { ...fine, stable: { requests: 10, errors: 0.5 } }, ['/stable/errors']],
  ['an infinite count', { ...fine, stable: { requests: Infinity, errors: 0 } }, ['/stable/requests']],
  ['NaN', { ...fine, stable: { requests: 1, errors: Number.NaN } }, ['/stable/errors']],
  ['more errors than requests', { ...fine, canary: { requests: 1, errors: 2 } }, ['/canary/errors']],
  ['a missing arm', { second: 1, canary: fine.canary }, ['/stable']],
  ['a missing canary', { second: 1, stable: fine.canary }, ['/canary']],
  [
    'fewer failed requests than failed users',
    { ...fine, canary: { requests: 5, errors: 2, failedRequests: 1 } },
    ['/canary/failedRequests'],
  ],
  ['more failed requests than requests', { ...fine, canary: { requests: 5, errors: 2, failedRequests: 6 } }, ['/canary/failedRequests']],
  ['half a failed request', { ...fine, canary: { requests: 5, errors: 2, failedRequests: 2.5 } }, ['/canary/failedRequests']],
  ['half a second', { ...fine, second: 0.5 }, ['/second']],
  ['a bad baseline', { ...fine, baseline: { requests: 1, errors: 2 } }, ['/baseline/errors']],
  ['a latency that is NaN', { ...fine, latency: { canary: [1, Number.NaN], stable: [2] } }, ['/latency/canary/1']],
  ['a negative latency', { ...fine, latency: { canary: [], stable: [-1] } }, ['/latency/stable/0']],
  ['an infinite latency', { ...fine, latency: { canary: [], stable: [Infinity] } }, ['/latency/stable/0']],
  ['a share above 1', { ...fine, expectedShare: 1.1 }, ['/expectedShare']],
  ['a negative share', { ...fine, expectedShare: -0.1 }, ['/expectedShare']],
  ['a bad metric', { ...fine, metrics: { m: { canary: fine.canary, stable: { requests: 1, errors: 2 } } } }, ['/metrics/m/stable/errors']],
  [
    'a bad segment',
    { ...fine, segments: { s: { canary: { requests: 0, errors: 1 }, stable: fine.stable } } },
    ['/segments/s/canary/errors'],
  ],
] as const)('%s is refused with its place', (_, batch, expected) => {
  expect(pointers(batch)).toStrictEqual(expected);
});

test('time does not run backwards', () => {
  expect(faultsOfBatch(fine, 6)).toStrictEqual([{ pointer: '/second', detail: 'expected 6 or later, got 5' }]);
});

test('all faults of a batch are thrown at once, each saying what was expected', () => {
  const bad = { second: 4, canary: { requests: 2, errors: 3 }, stable: { requests: 1.5, errors: 0 }, expectedShare: 2 };

  expect(() => checkBatch(bad, 9)).toThrow(
    expect.objectContaining({
      code: 'judge.batch',
      status: 422,
      remedy: expect.stringContaining('in order of time'),
      message:
        'Batch of second 4: /second: expected 9 or later, got 4; /canary/errors: expected at most 2 errors (the requests), got 3; ' +
        '/stable/requests: expected a whole number from 0, got 1.5; /expectedShare: expected a share from 0 to 1, got 2',
      faults: expect.objectContaining({ length: 4 }),
    }),
  );
  expect(() => checkBatch(fine, null)).not.toThrow();
});

test('the fault of a missing arm, of a latency and of failed requests says what was expected', () => {
  const details = (batch: unknown) => faultsOfBatch(batch as Batch, null).map((fault) => fault.detail);

  expect(details({ second: 1, canary: fine.canary })).toStrictEqual(['expected the counts of this arm, got none']);
  expect(details({ ...fine, latency: { canary: [-2], stable: [] } })).toStrictEqual(['expected a finite number from 0, got -2']);
  expect(details({ ...fine, second: 1.5 })).toStrictEqual(['expected a whole number, got 1.5']);
  expect(details({ ...fine, canary: { requests: 5, errors: 2, failedRequests: 1 } })).toStrictEqual([
    'expected a whole number from errors to requests, got 1',
  ]);
});
