import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pipeline } from './pipeline.ts';

const healthCheck = { path: '/healthz' };
const criteria = [{ name: 'errors', metric: 'error-rate', owner: 'operations' }];

function pipeline(weights: readonly number[], rest: object = {}): unknown {
  return {
    application: 'storefront',
    stages: [
      {
        name: 'production',
        environment: 'production',
        strategy: { kind: 'canary', steps: weights.map((weight) => ({ weight })) },
        healthCheck,
      },
    ],
    rollback: { criteria },
    ...rest,
  };
}

function faultsOf(value: unknown): readonly string[] {
  const result = Pipeline.safeParse(value);
  return result.success ? [] : result.error.issues.map((i) => `/${i.path.join('/')}`);
}

describe('a pipeline', () => {
  test('with rising weights that end at 100 is accepted', () => {
    expect(faultsOf(pipeline([5, 25, 100]))).toEqual([]);
  });

  test('is refused when weights do not rise, each place named', () => {
    expect(faultsOf(pipeline([5, 5, 4, 100]))).toEqual(['/stages/0/strategy/steps/1/weight', '/stages/0/strategy/steps/2/weight']);
  });

  test('is refused when the last weight is not 100', () => {
    expect(faultsOf(pipeline([5, 50]))).toEqual(['/stages/0/strategy/steps/1/weight']);
  });

  test('accepts exactly the weights that rise and end at 100', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(1, 5, 25, 50, 100), { minLength: 2, maxLength: 5 }), (weights) => {
        const right = weights.at(-1) === 100 && weights.every((w, i) => w > (weights[i - 1] ?? 0));

        return (faultsOf(pipeline(weights)).length === 0) === right;
      }),
    );
  });

  test('without rollback criteria is refused', () => {
    expect(faultsOf(pipeline([5, 100], { rollback: { criteria: [] } }))).toEqual(['/rollback/criteria']);
    expect(faultsOf(pipeline([5, 100], { rollback: undefined }))).toEqual(['/rollback']);
  });

  test('whose criterion tolerates what it refuses is refused', () => {
    const contradicting = [{ ...criteria[0], toleratedRatio: 2, nonInferiorityRatio: 2 }];

    expect(faultsOf(pipeline([5, 100], { rollback: { criteria: contradicting } }))).toEqual(['/rollback/criteria/0/toleratedRatio']);
  });

  test('with an unknown field is refused', () => {
    expect(faultsOf(pipeline([5, 100], { autoPromote: true }))).toEqual(['/']);
  });

  test('whose health check can never pass in time is refused', () => {
    const slow = { path: '/healthz', consecutive: 10, intervalSeconds: 10, deadlineSeconds: 60 };
    const stages = [{ name: 'production', environment: 'production', strategy: { kind: 'all-at-once' }, healthCheck: slow }];

    expect(faultsOf(pipeline([100], { stages }))).toEqual(['/stages/0/healthCheck/deadlineSeconds']);
  });
});
