import { expect, test } from 'vitest';
import { countUsers, openUserCount, type UserRequest } from './user-count.ts';

function fail(...users: readonly string[]): readonly UserRequest[] {
  return users.map((user) => ({ user, failed: true }));
}

test('a user that fails five times in a minute is one failure', () => {
  const first = countUsers(openUserCount(), 60, fail('ann', 'ann', 'bob'));
  const second = countUsers(first.count, 119, [...fail('ann', 'eve'), { user: 'joe', failed: false }]);

  expect(first.arm).toStrictEqual({ requests: 3, errors: 2, failedRequests: 3 });
  expect(second.arm).toStrictEqual({ requests: 3, errors: 1, failedRequests: 2 });
});

test('a user that still fails in the next window counts again', () => {
  const first = countUsers(openUserCount(), 119, fail('ann'));

  expect(countUsers(first.count, 120, fail('ann')).arm.errors).toBe(1);
  expect(countUsers(countUsers(openUserCount(10), 9, fail('ann')).count, 10, fail('ann')).arm.errors).toBe(1);
});

test('the count is plain JSON and goes on after a restart', () => {
  const { count } = countUsers(openUserCount(), 0, fail('ann'));
  const stored = JSON.parse(JSON.stringify(count)) as typeof count;

  expect(stored).toStrictEqual({ windowSeconds: 60, window: 0, failed: ['ann'] });
  expect(countUsers(stored, 30, fail('ann')).arm.errors).toBe(0);
});
