import { expect, test } from 'vitest';
import { type Migration, pendingMigrations, readMigrations } from './migrate.ts';

const known = ['0001_a', '0002_b', '0003_c'].map((name): Migration => ({ name, sql: '', checksum: `of ${name}` }));
const applied = (...names: readonly string[]) => names.map((name) => ({ name, checksum: `of ${name}` }));

test('what is not applied yet is pending, in order', () => {
  expect(pendingMigrations(known, []).map(({ name }) => name)).toEqual(['0001_a', '0002_b', '0003_c']);
  expect(pendingMigrations(known, applied('0001_a', '0002_b')).map(({ name }) => name)).toEqual(['0003_c']);
});

test('a database that a newer version has migrated is refused, whatever else is pending', () => {
  expect(() => pendingMigrations(known, applied('0001_a', '0009_z'))).toThrow(/newer version has migrated \(0009_z\)/);
});

test('an applied file that was edited is refused', () => {
  expect(() => pendingMigrations(known, [{ name: '0001_a', checksum: 'other' }])).toThrow(
    /expected applied migrations to stay as they were.*0001_a/,
  );
});

test('a new file numbered before the last applied one is refused', () => {
  expect(() => pendingMigrations(known, applied('0001_a', '0003_c'))).toThrow(/come after 0003_c, got 0002_b/);
});

test('the migrations of this repository are well named, each with a number of its own', async () => {
  const names = (await readMigrations()).map(({ name }) => name);

  expect(names[0]).toBe('0001_platform');
});
