import { expect, test } from 'vitest';
import { Fault } from './fault.ts';
import { parseSettings } from './settings.ts';

test('an empty environment gives the embedded database under .tidegate and port 4400 on this machine only', () => {
  expect(parseSettings({ DATABASE_URL: '' }, '/srv')).toMatchObject({ home: '/srv/.tidegate', port: 4400, host: '127.0.0.1' });
  expect(parseSettings({}, '/srv').databaseUrl).toBeUndefined();
});

test('every fault of the environment is told at once, and a password is not repeated', () => {
  const fault = faultOf(() =>
    parseSettings({ PORT: 'http', DATABASE_URL: 'mysql://me:hunter2@db/x', TIDEGATE_HOME: `/${'x'.repeat(120)}` }, '/'),
  );

  expect(fault.code).toBe('settings.invalid');
  expect(fault.faults.map(({ pointer }) => pointer)).toEqual(['/DATABASE_URL', '/PORT', '/TIDEGATE_HOME']);
  expect(fault.message).not.toContain('hunter2');
});

test('a relative home is meant from the current folder', () => {
  expect(parseSettings({ TIDEGATE_HOME: '../data' }, '/srv/app').paths.routerSocket).toBe('/srv/data/run/router.sock');
});

function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
  }
  throw new Error('expected a Fault');
}
