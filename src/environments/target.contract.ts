import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DeploymentTarget, InstanceSpec } from './target.port.ts';
import { until } from './upstream.contract.ts';

/** One file of an application to be packed. */
export interface ArchiveFile {
  readonly path: string;
  readonly content: string;
}

export interface TargetUnderTest {
  readonly target: DeploymentTarget;
  /** Packs an application; answers with the digest under which the target finds it. */
  pack(files: readonly ArchiveFile[]): Promise<string>;
  /** Changes the stored bytes of an artifact without changing its digest. */
  tamper(digest: string): Promise<void>;
  /** Ends the control process of the target at once (kill -9) and starts it again on the same home. */
  crash(): Promise<void>;
  close(): Promise<void>;
}

/** Answers every request with what it sees of itself; `/die` ends it, `/stubborn` makes it deaf to SIGTERM. */
const application = `
const { createServer } = require('node:http');
console.log('started ' + process.env.TIDEGATE_VERSION);
if (process.env.DIE_AT_START) { console.error('cannot find the database'); process.exit(3); }
createServer((request, response) => {
  if (request.url === '/die') process.exit(7);
  if (request.url === '/stubborn') process.on('SIGTERM', () => {});
  if (request.url.startsWith('/log')) console.log(decodeURIComponent(request.url.slice(5)));
  response.end(JSON.stringify({ pid: process.pid, env: process.env, node: process.version, argv: process.argv.slice(2), cwd: process.cwd() }));
}).listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => { if (process.listenerCount('SIGTERM') === 1) { console.log('ending well'); process.exit(0); } });
`;

interface Self {
  readonly pid: number;
  readonly env: Readonly<Record<string, string>>;
  readonly node: string;
  readonly argv: readonly string[];
  readonly cwd: string;
}

/** What every DeploymentTarget promises, with real applications. */
export function targetContract(name: string, make: () => Promise<TargetUnderTest>): void {
  describe(`${name} as DeploymentTarget`, () => {
    let made: TargetUnderTest;
    let target: DeploymentTarget;
    let artifactDigest: string;
    let token = 1;
    const lane = 'shop/staging';
    const fence = () => ({ lane, token: token++ });

    beforeAll(async () => {
      made = await make();
      ({ target } = made);
      artifactDigest = await made.pack([{ path: 'server.cjs', content: application }]);
    });
    afterAll(async () => {
      for (const instance of (await target?.listInstances().catch(() => [])) ?? [])
        await target.stopInstance(instance.name, fence(), 0).catch(() => undefined);
      await made?.close();
    });

    function spec(change: Partial<InstanceSpec> = {}): InstanceSpec {
      return {
        name: `deployment-${randomUUID()}`,
        application: 'shop',
        environment: 'staging',
        version: '1.0.0',
        artifactDigest,
        command: ['node', 'server.cjs'],
        environmentVariables: {},
        ...change,
      };
    }

    async function ask(url: string, path = '/'): Promise<Self> {
      return (await (await fetch(url + path)).json()) as Self;
    }

    /** Started, and answering. */
    async function started(change: Partial<InstanceSpec> = {}) {
      const wanted = spec(change);
      const instance = await target.ensureInstance(wanted, fence());
      const self = await until('an answer of the application', () => ask(instance.url).catch(() => undefined));
      return { wanted, instance, self };
    }

    const isAlive = (pid: number): boolean => {
      try {
        process.kill(pid, 0);
        return true;
      } catch {
        return false;
      }
    };

    test('an instance runs its command in its archive and listens where the target says', async () => {
      const { wanted, instance, self } = await started({ command: ['node', 'server.cjs', 'a b', '$HOME'] });

      expect(instance).toMatchObject({ name: wanted.name, state: 'running', version: '1.0.0', artifactDigest, restarts: 0 });
      expect(instance.startedAt.getTime()).toBeLessThanOrEqual(Date.now());
      expect(self.argv).toEqual(['a b', '$HOME']);
      expect(await target.findInstance(wanted.name)).toEqual(instance);
      expect(await target.listInstances()).toContainEqual(instance);
    });

    test('`node` is the Node that Tidegate runs on', async () => {
      expect((await started()).self.node).toBe(process.version);
    });

    test('only declared variables reach the application, and the ones of the target win', async () => {
      const { wanted, self } = await started({ environmentVariables: { GREETING: 'hello', PORT: '1', TIDEGATE_VERSION: 'forged' } });

      expect(Object.keys(self.env).toSorted()).toEqual(['GREETING', 'PATH', 'PORT', 'TIDEGATE_INSTANCE', 'TIDEGATE_VERSION']);
      expect(self.env).toMatchObject({ GREETING: 'hello', TIDEGATE_VERSION: '1.0.0', TIDEGATE_INSTANCE: wanted.name });
    });

    test('the same specification again is the same running instance, also when asked twice at once', async () => {
      const wanted = spec();
      const of = fence();
      const [one, two] = await Promise.all([target.ensureInstance(wanted, of), target.ensureInstance(wanted, of)]);
      const first = await until('an answer', () => ask(one.url).catch(() => undefined));

      const again = await target.ensureInstance(wanted, fence());

      expect(two).toEqual(one);
      expect(again.url).toBe(one.url);
      expect((await ask(again.url)).pid).toBe(first.pid);
    });

    test('another specification under a known name is refused', async () => {
      const { wanted } = await started();
      await expect(target.ensureInstance({ ...wanted, version: '2.0.0' }, fence())).rejects.toMatchObject({
        status: 409,
        retryable: false,
      });
    });

    test('two instances have each their own port and folder', async () => {
      const [one, two] = [await started(), await started()];
      expect(one.instance.url).not.toBe(two.instance.url);
      expect(one.self.cwd).not.toBe(two.self.cwd);
    });

    test('an archive that is not what its digest says is not started', async () => {
      const digest = await made.pack([{ path: 'server.cjs', content: `${application}// to be changed` }]);
      await made.tamper(digest);
      const wanted = spec({ artifactDigest: digest });

      await expect(target.ensureInstance(wanted, fence())).rejects.toMatchObject({ retryable: false });
      expect(await target.findInstance(wanted.name)).toBeUndefined();
    });

    test('an application that dies is started again on the same port, and the restart is counted', async () => {
      const { wanted, instance, self } = await started();
      await fetch(`${instance.url}/die`).catch(() => undefined);

      const after = await until('the application again', () => ask(instance.url).catch(() => undefined));

      expect(after.pid).not.toBe(self.pid);
      expect(await target.findInstance(wanted.name)).toMatchObject({ state: 'running', restarts: 1, url: instance.url });
    });

    test('an application that dies again and again is failed, with the reason and the end of its log', async () => {
      const wanted = spec({ environmentVariables: { DIE_AT_START: '1' } });
      await target.ensureInstance(wanted, fence());

      const failed = await until(
        'the failure',
        async () => {
          const found = await target.findInstance(wanted.name);
          return found?.state === 'failed' && found;
        },
        30_000,
      );

      expect(failed.restarts).toBeGreaterThan(1);
      expect(failed.failure).toContain('exit code 3');
      expect(failed.failure).toContain('cannot find the database');
      await target.stopInstance(wanted.name, fence(), 1_000);
      expect((await target.findInstance(wanted.name))?.state).toBe('stopped');
    });

    test('a command that does not exist is failed with the reason', async () => {
      const wanted = spec({ command: ['no-such-command-anywhere'] });
      await target.ensureInstance(wanted, fence());
      const found = await until('the failure', async () => (await target.findInstance(wanted.name))?.failure, 30_000);
      expect(found).toContain('no-such-command-anywhere');
      await target.stopInstance(wanted.name, fence(), 0);
    });

    test('stopping lets the application end by itself, and stopping again is fine', async () => {
      const { wanted, instance, self } = await started();

      await target.stopInstance(wanted.name, fence(), 5_000);
      await target.stopInstance(wanted.name, fence(), 5_000);

      expect(isAlive(self.pid)).toBe(false);
      expect(await target.readLog(wanted.name, 1)).toEqual(['ending well']);
      expect((await target.findInstance(wanted.name))?.state).toBe('stopped');
      await expect(fetch(instance.url)).rejects.toThrow('fetch failed');
    });

    test('an application deaf to SIGTERM is killed after the grace', async () => {
      const { wanted, instance, self } = await started();
      await ask(instance.url, '/stubborn');

      await target.stopInstance(wanted.name, fence(), 300);

      expect(isAlive(self.pid)).toBe(false);
    });

    test('stopping what was never started is fine; asking for it finds nothing', async () => {
      await target.stopInstance('never-started', fence(), 0);
      expect(await target.findInstance('never-started')).toBeUndefined();
    });

    test('a stopped instance can be started again', async () => {
      const { wanted, self } = await started();
      await target.stopInstance(wanted.name, fence(), 5_000);

      const again = await target.ensureInstance(wanted, fence());

      const after = await until('an answer', () => ask(again.url).catch(() => undefined));
      expect(after.pid).not.toBe(self.pid);
      expect(again.state).toBe('running');
    });

    test('the newest lines of the log are read, oldest first', async () => {
      const { wanted, instance } = await started();
      for (const word of ['one', 'two', 'three']) await ask(instance.url, `/log/${word}`);

      expect(
        await until('the lines', async () => {
          const lines = await target.readLog(wanted.name, 2);
          return lines.includes('three') && lines;
        }),
      ).toEqual(['two', 'three']);
      expect((await target.readLog(wanted.name, 100))[0]).toBe('started 1.0.0');
    });

    test('an older fencing token starts nothing and stops nothing', async () => {
      const stale = { code: 'lease.fenced', status: 409, retryable: false };
      const { wanted, self } = await started();
      const late = spec();
      await target.stopInstance('nothing', { lane, token: (token += 10) }, 0);

      await expect(target.stopInstance(wanted.name, { lane, token: token - 1 }, 0)).rejects.toMatchObject(stale);
      await expect(target.ensureInstance(late, { lane, token: token - 1 })).rejects.toMatchObject(stale);

      expect(isAlive(self.pid)).toBe(true);
      expect(await target.findInstance(late.name)).toBeUndefined();
    });

    test('a fencing token of another lane is refused', async () => {
      const { wanted } = await started();
      await expect(target.stopInstance(wanted.name, { lane: 'other/staging', token: 9_999 }, 0)).rejects.toMatchObject({ status: 422 });
    });

    test('an instance whose name looks like a path stays inside the folder of the target', async () => {
      const { wanted, self } = await started({ name: '../../../escape' });
      const { self: plain } = await started();
      expect(self.cwd.split('/').slice(0, -1)).toEqual(plain.cwd.split('/').slice(0, -1));
      await target.stopInstance(wanted.name, fence(), 1_000);
    });

    test.each([
      ['a digest that is none', { artifactDigest: 'latest' }],
      ['no command', { command: [] }],
      ['a variable with = in its name', { environmentVariables: { 'A=B': '1' } }],
      ['a name with a line break', { name: 'a\nb' }],
    ])('a specification with %s is refused', async (_what, change) => {
      await expect(target.ensureInstance(spec(change), fence())).rejects.toMatchObject({ retryable: false });
    });

    test('applications run on while the target is killed, and are taken up by the next one', async () => {
      const { wanted, instance, self } = await started();

      await made.crash();

      expect((await ask(instance.url)).pid).toBe(self.pid);
      expect(await target.findInstance(wanted.name)).toMatchObject({ state: 'running', restarts: 0, url: instance.url });
      process.kill(self.pid, 'SIGKILL');
      const after = await until('the application again', () => ask(instance.url).catch(() => undefined));
      expect(after.pid).not.toBe(self.pid);
      await target.stopInstance(wanted.name, fence(), 1_000);
      expect(isAlive(after.pid)).toBe(false);
    });

    test('fences survive the death of the target', async () => {
      await target.stopInstance('nothing', { lane, token: (token += 10) }, 0);
      await made.crash();
      await expect(target.stopInstance('nothing', { lane, token: token - 1 }, 0)).rejects.toMatchObject({ code: 'lease.fenced' });
      token++;
    });
  });
}
