import { expect, test } from 'vitest';
import { userOf } from './identity.ts';

test('the header wins over the cookie', () => {
  expect(userOf('ada', 'tg_user=12345678', 'tg_user')).toBe('ada');
});

test('the cookie is found by its whole name only', () => {
  expect(userOf(undefined, 'a=1; xtg_user=aaaaaaaa; tg_user2=bbbbbbbb; tg_user=cccccccc; z=2', 'tg_user')).toBe('cccccccc');
  expect(userOf(undefined, 'xtg_user=aaaaaaaa', 'tg_user')).toBeUndefined();
});

test('a cookie we did not make is no identity', () => {
  expect(userOf(undefined, 'tg_user=<script>', 'tg_user')).toBeUndefined();
  expect(userOf(undefined, `tg_user=${'a'.repeat(65)}`, 'tg_user')).toBeUndefined();
});

test('an identity is cut at 200 characters', () => {
  expect(userOf('x'.repeat(5_000), undefined, 'tg_user')).toHaveLength(200);
});
