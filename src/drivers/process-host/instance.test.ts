import { expect, test } from 'vitest';
import { deathsUntilFailed, environmentOf, folderOf, instanceOf, pauseAfter, type InstanceRecord } from './instance.ts';
import { choosePort } from './port-range.ts';

const record: InstanceRecord = {
  spec: {
    name: 'd1',
    application: 'shop',
    environment: 'staging',
    version: '1.0.0',
    artifactDigest: `sha256:${'0'.repeat(64)}`,
    command: ['node'],
    environmentVariables: {},
  },
  port: 20_001,
  wanted: 'running',
  startedAt: '2026-01-01T00:00:00.000Z',
  restarts: 0,
  deaths: 0,
};

test('the pause before a restart doubles up to half a minute', () => {
  expect([1, 2, 3, 4, 8, 9, 50].map(pauseAfter)).toEqual([250, 500, 1_000, 2_000, 30_000, 30_000, 30_000]);
});

test('a crash loop is failed even in the instants in which the process is up', () => {
  const looping = { ...record, deaths: deathsUntilFailed, failure: 'why' };
  expect(instanceOf(looping, true)).toMatchObject({ state: 'failed', failure: 'why' });
  expect(instanceOf({ ...looping, deaths: 1 }, false)).toMatchObject({ state: 'restarting', failure: 'why' });
  expect(instanceOf({ ...looping, deaths: 1 }, true)).not.toHaveProperty('failure');
  expect(instanceOf({ ...looping, wanted: 'stopped' }, false).state).toBe('stopped');
});

test('no instance name leaves its folder or shares one', () => {
  const names = ['..', '.', 'a/b', 'a%2Fb', 'a.b', 'a%2Eb', '../..'];
  const folders = names.map(folderOf);
  expect(new Set(folders).size).toBe(names.length);
  for (const folder of folders) expect(folder).toMatch(/^[^/.]+$/);
});

test('declared variables cannot replace those of the target', () => {
  const declared = {
    ...record,
    spec: { ...record.spec, environmentVariables: { PORT: '1', TIDEGATE_INSTANCE: 'forged', GREETING: 'hi' } },
  };
  expect(environmentOf(declared, '/bin')).toEqual({
    PATH: '/bin',
    GREETING: 'hi',
    PORT: '20001',
    TIDEGATE_VERSION: '1.0.0',
    TIDEGATE_INSTANCE: 'd1',
  });
});

test('no free port in the range is said, not waited for', async () => {
  await expect(choosePort({ from: 20_001, to: 20_002 }, new Set([20_001, 20_002]))).rejects.toMatchObject({
    code: 'host.no-port',
    retryable: true,
  });
});
