import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CandidateContent } from './candidate.ts';
import { candidateDigest, diffCandidates, stageDigest } from './candidate.ts';

const content: CandidateContent = {
  application: 'storefront',
  version: '1.1.0',
  commit: 'c0ffee',
  artifacts: { storefront: `sha256:${'1'.repeat(64)}` },
  configuration: { staging: { BANNER: 'test' }, production: { BANNER: 'hello', CURRENCY: 'EUR' } },
  migrations: [],
  plan: { staging: { weights: [100] }, production: { weights: [5, 100] } },
  rollbackCriteria: [{ alpha: 0.01 }],
};

describe('a candidate', () => {
  test('has one digest whatever the order of its keys', () => {
    const reordered = { ...content, configuration: { production: { CURRENCY: 'EUR', BANNER: 'hello' }, staging: { BANNER: 'test' } } };

    expect(candidateDigest(reordered)).toBe(candidateDigest(content));
  });

  test('changed in one value is another candidate, and the diff names the value', () => {
    const changed = { ...content, configuration: { ...content.configuration, production: { BANNER: 'sale', CURRENCY: 'EUR' } } };

    expect(candidateDigest(changed)).not.toBe(candidateDigest(content));
    expect(diffCandidates(content, changed)).toEqual([{ pointer: '/configuration/production/BANNER', before: 'hello', after: 'sale' }]);
  });

  test('a change for production leaves the evidence of staging standing', () => {
    const changed = { ...content, configuration: { ...content.configuration, production: {} } };

    expect(stageDigest(changed, 'staging', 'staging')).toBe(stageDigest(content, 'staging', 'staging'));
    expect(stageDigest(changed, 'production', 'production')).not.toBe(stageDigest(content, 'production', 'production'));
  });

  test('other bytes void the evidence of every stage', () => {
    const changed = { ...content, artifacts: { storefront: `sha256:${'2'.repeat(64)}` } };

    expect(stageDigest(changed, 'staging', 'staging')).not.toBe(stageDigest(content, 'staging', 'staging'));
  });

  test('keys with slashes and tildes give RFC 6901 pointers', () => {
    const changed = { ...content, plan: { ...content.plan, 'a/b~c': { weights: [1] } } };

    expect(diffCandidates(content, changed).map((d) => d.pointer)).toEqual(['/plan/a~1b~0c']);
  });

  test('the diff is empty exactly when the digests are equal', () => {
    const settings = fc.dictionary(fc.constantFrom('A', 'B', 'C'), fc.constantFrom('1', '2'));
    const any = fc.record({ production: settings, staging: settings }).map((configuration) => ({ ...content, configuration }));

    fc.assert(fc.property(any, any, (a, b) => (diffCandidates(a, b).length === 0) === (candidateDigest(a) === candidateDigest(b))));
  });
});
