import { expect, test } from 'vitest';
import type { Batch } from './batch.ts';
import { poolBatches } from './batch-pool.ts';

function batch(second: number, extra: Partial<Batch> = {}): Batch {
  return { second, canary: { requests: 1, errors: 1 }, stable: { requests: 10, errors: 2 }, ...extra };
}

test('seconds of one window are pooled under the first of them', () => {
  const parts = [10, 12, 14, 15].map((second) => ({ generation: 1, batch: batch(second) }));

  expect(poolBatches(parts, 5)).toStrictEqual([
    { second: 10, canary: { requests: 3, errors: 3 }, stable: { requests: 30, errors: 6 } },
    batch(15),
  ]);
});

test('a change of the weights splits a window, and a second', () => {
  const parts = [
    { generation: 1, batch: batch(10) },
    { generation: 2, batch: batch(10) },
    { generation: 2, batch: batch(11) },
  ];

  expect(poolBatches(parts, 5).map(({ second, canary }) => [second, canary.requests])).toStrictEqual([
    [10, 1],
    [10, 2],
  ]);
  expect(poolBatches([], 5)).toStrictEqual([]);
});

test('latencies are joined, a baseline only when every part has one, failed requests count errors where they are missing', () => {
  const latency = { canary: [1], stable: [2, 3] };
  const arm = { requests: 5, errors: 1, failedRequests: 3 };
  const full = { generation: 1, batch: batch(0, { latency, baseline: arm, canary: arm, expectedShare: 0.1 }) };

  expect(poolBatches([full, full], 5)).toStrictEqual([
    {
      second: 0,
      canary: { requests: 10, errors: 2, failedRequests: 6 },
      stable: { requests: 20, errors: 4 },
      baseline: { requests: 10, errors: 2, failedRequests: 6 },
      latency: { canary: [1, 1], stable: [2, 3, 2, 3] },
      expectedShare: 0.1,
    },
  ]);
  const mixed = poolBatches([full, { generation: 1, batch: batch(1) }], 5);
  expect(mixed[0]).toMatchObject({ canary: { requests: 6, errors: 2, failedRequests: 4 }, latency });
  expect(mixed[0]).not.toHaveProperty('baseline');
  expect(poolBatches([{ generation: 1, batch: batch(1) }, full], 5)[0]).toMatchObject({ canary: { failedRequests: 4 }, latency });
});
