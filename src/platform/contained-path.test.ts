import { expect, test } from 'vitest';
import { containedParts, isContainedLink } from './contained-path.ts';

test.each(['a', 'a/b.txt', 'dist/..hidden', 'ä/ü'])('%s is a path inside', (path) => {
  expect(containedParts(path)).toEqual(path.split('/'));
});

test.each(['', '/etc/passwd', '..', 'a/../../b', 'a//b', './a', 'a/', 'a\\..\\b', 'a\0b', 'x'.repeat(256)])(
  '%j is no path inside',
  (path) => {
    expect(containedParts(path)).toBeUndefined();
  },
);

test.each([
  ['a', 'b'],
  ['a/b/c', '../../d'],
  ['a/b', '../c/d'],
  ['a', './b'],
  ['a/b', '..'],
])('a link %s -> %s stays inside', (path, target) => {
  expect(isContainedLink(path, target)).toBe(true);
});

test.each([
  ['a', '/etc/passwd'],
  ['a', '..'],
  ['a/b', '../../c'],
  ['a', ''],
  ['a/b', 'c/../../..'],
])('a link %s -> %s leads out', (path, target) => {
  expect(isContainedLink(path, target)).toBe(false);
});

test('a link that climbs after a name is refused, because the name may itself be a link', () => {
  expect(isContainedLink('a', 'b/../c')).toBe(false);
});
