import { expect, test } from 'vitest';
import { Fault } from '../fault.ts';
import { asDatabaseFault, isConflict, isUnavailable } from './faults.ts';

const coded = (code: string, message = ''): Error => Object.assign(new Error(message), { code });

test.each([
  ['ECONNREFUSED', 'database.unavailable', true],
  ['57P01', 'database.unavailable', true],
  ['53300', 'database.out-of-connections', true],
  ['53100', 'database.disk-full', true],
  ['28P01', 'database.access-denied', false],
  ['3D000', 'database.missing', false],
])('%s reads as %s', (code, name, retryable) => {
  expect(asDatabaseFault(coded(code, 'the words of the database'))).toMatchObject({
    code: name,
    retryable,
    message: expect.stringContaining('the words of the database') as string,
  });
});

test('a full disk has status 507 and says what to do', () => {
  expect(asDatabaseFault(coded('53100'))).toMatchObject({ status: 507, remedy: expect.stringContaining('free space') as string });
});

test('a connection that was lost without a code is known by its words', () => {
  expect(isUnavailable(new Error('Connection terminated unexpectedly'))).toBe(true);
});

test('what belongs to a statement or to our own code comes back untouched', () => {
  for (const error of [coded('23505'), new Fault({ code: 'freeze.active', message: 'x' }), undefined, 'text', null]) {
    expect(asDatabaseFault(error)).toBe(error);
  }
});

test('only a serialization failure and a deadlock are conflicts', () => {
  expect(['40001', '40P01', '23505', '53100'].map((code) => isConflict(coded(code)))).toEqual([true, true, false, false]);
});
