import { describe, expect, test } from 'vitest';
import { arm, total, users, type RouterSetting } from './router-setting.contract.ts';
import { eachOf, freePort, startUpstream, until } from './upstream.contract.ts';

/** Who goes where, and that nothing is lost or changed on the way. */
export function trafficContract(setting: RouterSetting): void {
  describe('who goes where', () => {
    test.each([5, 25, 50])('%i percent of the users reach the canary', async (share) => {
      const lane = await setting.newLane();
      await lane.split(share);

      const onCanary = (await lane.versions(users)).filter((version) => version === '1.1.0').length;

      const p = share / 100;
      expect(Math.abs(onCanary - users.length * p)).toBeLessThan(5 * Math.sqrt(users.length * p * (1 - p)));
    });

    test('a user meets one version, request after request', async () => {
      const lane = await setting.newLane();
      await lane.split(50);
      const some = users.slice(0, 200);

      const [first, second, third] = [await lane.versions(some), await lane.versions(some), await lane.versions(some)];

      expect(second).toEqual(first);
      expect(third).toEqual(first);
    });

    test('a user without identity gets a cookie and stays by it', async () => {
      const lane = await setting.newLane();
      await lane.split(50);

      const visits = await eachOf(users.slice(0, 20), 4, async () => {
        const first = await lane.get('/ok');
        const cookie = (first.headers['set-cookie'] ?? [])[0]?.split(';')[0] ?? '';
        const again = await eachOf([1, 2, 3], 1, () => setting.client.send({ port: lane.port, path: '/ok', headers: { cookie } }));
        return {
          cookie,
          first: first.version,
          again: again.map((answer) => answer.version),
          renewed: again.some((a) => a.headers['set-cookie']),
        };
      });

      expect(new Set(visits.map((visit) => visit.cookie)).size).toBe(20);
      expect(new Set(visits.map((visit) => visit.first)).size).toBe(2);
      for (const visit of visits) expect(visit).toMatchObject({ again: [visit.first, visit.first, visit.first], renewed: false });
    });

    test('whoever is on the canary stays there while its share rises', async () => {
      const lane = await setting.newLane();
      let before = new Set<string>();
      for (const share of [5, 25, 50, 100]) {
        await lane.split(share);
        const versions = await lane.versions(users.slice(0, 600));
        const now = new Set(users.slice(0, 600).filter((_, i) => versions[i] === '1.1.0'));
        expect([...before].filter((user) => !now.has(user))).toEqual([]);
        before = now;
      }
      expect(before.size).toBe(600);
    });

    test('an arm of weight 0 gets nobody from the moment setRoute has answered', async () => {
      const lane = await setting.newLane();
      await lane.split(50);
      await lane.split(0);
      expect(new Set(await lane.versions(users.slice(0, 500)))).toEqual(new Set(['1.0.0']));
    });
  });

  describe('no request is lost', () => {
    /** Sends requests without pause while `change` happens; answers with everything that was not a 200. */
    async function failuresDuring(port: number, path: string, change: () => Promise<void>): Promise<unknown[]> {
      const failures: unknown[] = [];
      const over = new AbortController();
      let sent = 0;
      const senders = Array.from({ length: 16 }, async () => {
        while (!over.signal.aborted) {
          const user = users[sent++ % users.length];
          const outcome = await setting.client.send({ port, path, user }).catch((error: unknown) => error);
          if ((outcome as { status?: number }).status !== 200) failures.push(outcome);
        }
      });
      await change().finally(() => over.abort());
      await Promise.all(senders);
      expect(sent).toBeGreaterThan(50);
      return failures;
    }

    test('weights change under load without one failed request', async () => {
      const lane = await setting.newLane();
      await lane.split(0);
      const failures = await failuresDuring(lane.port, '/ok', async () => {
        for (const share of [5, 25, 50, 100, 0, 50, 5, 0]) {
          await lane.split(share);
          await lane.versions(users.slice(0, 100));
        }
      });
      expect(failures).toEqual([]);
    });

    test('an arm that leaves under load is drained: its upstream may be stopped once nothing is in flight', async () => {
      const lane = await setting.newLane();
      const leaving = await startUpstream('0.9.0');
      await lane.set(arm('old', leaving, 50), arm('new', setting.stable, 50));
      const failures = await failuresDuring(lane.port, '/slow?ms=30', async () => {
        await lane.versions(users.slice(0, 500));
        await lane.set(arm('new', setting.stable, 100));
        await until(
          'nothing in flight to the old arm',
          async () => ((await setting.router.findRoute(lane.lane))?.inFlight['old'] ?? 0) === 0,
        );
        await leaving.close();
        await lane.versions(users.slice(0, 500));
      });
      expect(failures).toEqual([]);
    });

    test('a request in flight is finished by the arm it began on', async () => {
      const lane = await setting.newLane();
      await lane.split(100);
      const slow = lane.get('/slow?ms=400', 'ada');
      await until('the request in flight', async () => (await setting.router.findRoute(lane.lane))?.inFlight[`${lane.lane}-c`] === 1);

      await lane.split(0);

      expect(await slow).toMatchObject({ status: 200, body: '1.1.0', version: '1.1.0' });
    });

    test('users of an arm that died are served by the other, and the dead arm has the error', async () => {
      const lane = await setting.newLane();
      const dying = await startUpstream('2.0.0');
      await lane.set(arm('stable', setting.stable, 50), arm('dying', dying, 50));
      const before = await lane.versions(users.slice(0, 200));
      await dying.close();

      const answers = await eachOf(users.slice(0, 200), 16, (user) => lane.get('/ok', user));

      const orphans = before.filter((version) => version === '2.0.0').length;
      expect(answers.filter((answer) => answer.status !== 200)).toEqual([]);
      const batches = await lane.allCounts((all) => total(all, 'stable', 'requests') + total(all, 'dying', 'requests') >= 400);
      expect(total(batches, 'dying', 'failedUsers')).toBe(orphans);
      expect(total(batches, 'stable', 'errors')).toBe(0);
    });

    test('a GET that broke is tried again, a POST never', async () => {
      const lane = await setting.newLane();
      const breaking = await startUpstream('3.0.0');
      await lane.set(arm('breaking', breaking, 100));

      await setting.client.send({ port: lane.port, path: '/break', user: 'ada' });
      await setting.client.send({ port: lane.port, path: '/break', user: 'ada', method: 'POST', body: 'pay' });

      expect(breaking.received.get('GET /break')).toBeGreaterThan(1);
      expect(breaking.received.get('POST /break')).toBe(1);
      await breaking.close();
    });

    test('what no arm could be reached for is counted as failed by the router', async () => {
      const lane = await setting.newLane();
      const gone = await startUpstream('4.0.0');
      await gone.close();
      await lane.set(arm('gone', gone, 100));

      const answers = await eachOf(users.slice(0, 5), 1, (user) => lane.get('/ok', user));

      expect(answers.map((answer) => answer.status >= 502 && answer.status <= 504)).toEqual([true, true, true, true, true]);
      expect((await setting.router.findRoute(lane.lane))?.failedByRouter).toBe(5);
    });

    test('an application that comes back is used again', async () => {
      const lane = await setting.newLane();
      const port = await freePort();
      const first = await startUpstream('5.0.0', port);
      await lane.set(arm('it', first, 100));
      await lane.get('/ok', 'ada');
      await first.close();
      expect((await lane.get('/ok', 'ada')).status).toBeGreaterThanOrEqual(502);

      const second = await startUpstream('5.0.0', port);

      await until('an answer', async () => (await lane.get('/ok', 'ada')).status === 200);
      await second.close();
    });
  });

  describe('what passes through', () => {
    test('the answer carries the version, the request where it came from, and neither the headers of one hop', async () => {
      const lane = await setting.newLane();
      await lane.split(100);

      const answer = await setting.client.send({
        port: lane.port,
        path: '/echo?q=1',
        user: 'ada',
        headers: {
          connection: 'keep-alive, x-private',
          'x-private': '1',
          'proxy-authorization': 'secret',
          te: 'trailers',
          'x-own': 'kept',
        },
      });

      const { headers, url } = JSON.parse(answer.body) as { headers: Record<string, string>; url: string };
      expect(answer.version).toBe('1.1.0');
      expect(url).toBe('/echo?q=1');
      expect(headers).toMatchObject({ 'x-own': 'kept', 'x-user-id': 'ada', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' });
      expect(Object.keys(headers).filter((header) => ['x-private', 'proxy-authorization', 'te'].includes(header))).toEqual([]);
    });

    test('a body of a megabyte arrives whole, with a length or in chunks', async () => {
      const lane = await setting.newLane();
      await lane.split(100);
      const body = Buffer.alloc(1_048_576, 'x');
      const sized = await setting.client.send({
        port: lane.port,
        path: '/echo',
        user: 'ada',
        method: 'POST',
        body,
        headers: { 'content-length': String(body.length) },
      });
      const chunked = await setting.client.send({
        port: lane.port,
        path: '/echo',
        user: 'ada',
        method: 'PUT',
        body,
        headers: { 'transfer-encoding': 'chunked' },
      });
      expect([sized, chunked].map((answer) => (JSON.parse(answer.body) as { bytes: number }).bytes)).toEqual([1_048_576, 1_048_576]);
    });

    test('a streamed answer arrives whole, also after a pause', async () => {
      const lane = await setting.newLane();
      await lane.split(100);
      expect((await lane.get('/stream?ms=100', 'ada')).body).toBe('first,second');
    });

    test('HEAD has no body and the connection stays usable', async () => {
      const lane = await setting.newLane();
      await lane.split(100);
      const answers = await eachOf([1, 2, 3], 1, () => setting.client.send({ port: lane.port, path: '/ok', user: 'ada', method: 'HEAD' }));
      expect(answers.map(({ status, body }) => ({ status, body }))).toEqual([1, 2, 3].map(() => ({ status: 200, body: '' })));
      expect((await lane.get('/ok', 'ada')).body).toBe('1.1.0');
    });
  });
}
