import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorDifferences, latencyDifferences, otherDifferences, type JudgeVectors } from './judge-agreement.ts';

const vectors = JSON.parse(readFileSync(new URL('judge-vectors.json', import.meta.url), 'utf8')) as JudgeVectors;

test('the error rules agree with the independent implementation to 1e-9', () => {
  expect(errorDifferences(vectors)).toStrictEqual([]);
});

test('the latency rules agree with the independent implementation to 1e-9', () => {
  expect(latencyDifferences(vectors)).toStrictEqual([]);
});

test('blame, forecasts and means agree with the independent implementation to 1e-9', () => {
  expect(otherDifferences(vectors)).toStrictEqual([]);
});
