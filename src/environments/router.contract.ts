import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CountBatch, Route, RouteArm, TrafficRouter } from './router.port.ts';
import { eachOf, freePort, startUpstream, TestClient, until, type TestUpstream } from './upstream.contract.ts';

export interface RouterUnderTest {
  readonly router: TrafficRouter;
  /** Ends the router at once (kill -9) and starts it again on the same home. */
  crash(): Promise<void>;
  close(): Promise<void>;
}

const users = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);

/** What every TrafficRouter promises, under real traffic to real applications. */
export function routerContract(name: string, make: () => Promise<RouterUnderTest>): void {
  describe(`${name} as TrafficRouter`, () => {
    let made: RouterUnderTest;
    let router: TrafficRouter;
    let stable: TestUpstream;
    let canary: TestUpstream;
    const client = new TestClient();
    let lanes = 0;

    beforeAll(async () => {
      made = await make();
      ({ router } = made);
      [stable, canary] = await Promise.all([startUpstream('1.0.0'), startUpstream('1.1.0')]);
    });
    afterAll(async () => {
      client.close();
      await made?.close();
      await Promise.all([stable?.close(), canary?.close()]);
    });

    const arm = (deployment: string, upstream: TestUpstream, weight: number): RouteArm => ({
      deployment,
      version: upstream.version,
      upstream: upstream.url,
      weight,
    });

    /** A lane of its own per test, with a route of stable and canary that can be changed. */
    async function newLane() {
      const lane = `shop/test-${lanes++}`;
      const port = await freePort();
      let token = 1;
      return {
        lane,
        port,
        fence: (of = token) => ({ lane, token: of }),
        route: (share: number): Route => ({ lane, port, arms: [arm(`${lane}-s`, stable, 100 - share), arm(`${lane}-c`, canary, share)] }),
        split(share: number) {
          return router.setRoute(this.route(share), { lane, token: token++ });
        },
        set(...arms: readonly RouteArm[]) {
          return router.setRoute({ lane, port, arms }, { lane, token: token++ });
        },
        get: (path: string, user?: string) => client.send({ port, path, user }),
        versions: (of: readonly string[]) => eachOf(of, 32, async (user) => (await client.send({ port, path: '/ok', user })).version),
        async allCounts(isComplete: (batches: readonly CountBatch[]) => boolean) {
          return until('complete counts', async () => {
            const { batches } = await router.readCounts(lane);
            return isComplete(batches) && batches;
          });
        },
      };
    }

    const total = (batches: readonly CountBatch[], deployment: string, field: 'requests' | 'errors' | 'failedUsers'): number =>
      batches.reduce((sum, batch) => sum + (batch.arms[deployment]?.[field] ?? 0), 0);

    describe('who goes where', () => {
      test.each([5, 25, 50])('%i percent of the users reach the canary', async (share) => {
        const lane = await newLane();
        await lane.split(share);

        const onCanary = (await lane.versions(users)).filter((version) => version === '1.1.0').length;

        const p = share / 100;
        expect(Math.abs(onCanary - users.length * p)).toBeLessThan(5 * Math.sqrt(users.length * p * (1 - p)));
      });

      test('a user meets one version, request after request', async () => {
        const lane = await newLane();
        await lane.split(50);
        const some = users.slice(0, 200);

        const [first, second, third] = [await lane.versions(some), await lane.versions(some), await lane.versions(some)];

        expect(second).toEqual(first);
        expect(third).toEqual(first);
      });

      test('a user without identity gets a cookie and stays by it', async () => {
        const lane = await newLane();
        await lane.split(50);

        const visits = await eachOf(users.slice(0, 20), 4, async () => {
          const first = await lane.get('/ok');
          const cookie = (first.headers['set-cookie'] ?? [])[0]?.split(';')[0] ?? '';
          const again = await eachOf([1, 2, 3], 1, () => client.send({ port: lane.port, path: '/ok', headers: { cookie } }));
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
        const lane = await newLane();
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
        const lane = await newLane();
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
            const outcome = await client.send({ port, path, user }).catch((error: unknown) => error);
            if ((outcome as { status?: number }).status !== 200) failures.push(outcome);
          }
        });
        await change().finally(() => over.abort());
        await Promise.all(senders);
        expect(sent).toBeGreaterThan(50);
        return failures;
      }

      test('weights change under load without one failed request', async () => {
        const lane = await newLane();
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
        const lane = await newLane();
        const leaving = await startUpstream('0.9.0');
        await lane.set(arm('old', leaving, 50), arm('new', stable, 50));
        const failures = await failuresDuring(lane.port, '/slow?ms=30', async () => {
          await lane.versions(users.slice(0, 500));
          await lane.set(arm('new', stable, 100));
          await until('nothing in flight to the old arm', async () => ((await router.findRoute(lane.lane))?.inFlight['old'] ?? 0) === 0);
          await leaving.close();
          await lane.versions(users.slice(0, 500));
        });
        expect(failures).toEqual([]);
      });

      test('a request in flight is finished by the arm it began on', async () => {
        const lane = await newLane();
        await lane.split(100);
        const slow = lane.get('/slow?ms=400', 'ada');
        await until('the request in flight', async () => (await router.findRoute(lane.lane))?.inFlight[`${lane.lane}-c`] === 1);

        await lane.split(0);

        expect(await slow).toMatchObject({ status: 200, body: '1.1.0', version: '1.1.0' });
      });

      test('users of an arm that died are served by the other, and the dead arm has the error', async () => {
        const lane = await newLane();
        const dying = await startUpstream('2.0.0');
        await lane.set(arm('stable', stable, 50), arm('dying', dying, 50));
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
        const lane = await newLane();
        const breaking = await startUpstream('3.0.0');
        await lane.set(arm('breaking', breaking, 100));

        await client.send({ port: lane.port, path: '/break', user: 'ada' });
        await client.send({ port: lane.port, path: '/break', user: 'ada', method: 'POST', body: 'pay' });

        expect(breaking.received.get('GET /break')).toBeGreaterThan(1);
        expect(breaking.received.get('POST /break')).toBe(1);
        await breaking.close();
      });

      test('what no arm could be reached for is counted as failed by the router', async () => {
        const lane = await newLane();
        const gone = await startUpstream('4.0.0');
        await gone.close();
        await lane.set(arm('gone', gone, 100));

        const answers = await eachOf(users.slice(0, 5), 1, (user) => lane.get('/ok', user));

        expect(answers.map((answer) => answer.status >= 502 && answer.status <= 504)).toEqual([true, true, true, true, true]);
        expect((await router.findRoute(lane.lane))?.failedByRouter).toBe(5);
      });

      test('an application that comes back is used again', async () => {
        const lane = await newLane();
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

    describe('declaring routes', () => {
      test('the same route again changes nothing, whatever the order of its arms', async () => {
        const lane = await newLane();
        const first = await lane.split(5);
        const { arms } = lane.route(5);

        const second = await lane.set(...arms.toReversed());

        expect(first.generation).toBe(1);
        expect(second.generation).toBe(1);
      });

      test('each change of arms or weights raises the generation by one', async () => {
        const lane = await newLane();
        const seen = [await lane.split(5), await lane.split(25), await lane.split(25), await lane.set(arm('only', stable, 100))];
        expect(seen.map((status) => status.generation)).toEqual([1, 2, 2, 3]);
        expect(await router.findRoute(lane.lane)).toEqual(seen[3]);
        expect((await router.listRoutes()).find((route) => route.lane === lane.lane)).toEqual(seen[3]);
      });

      test('an older fencing token changes nothing and is refused, on a removed route too', async () => {
        const lane = await newLane();
        const stale = { code: 'lease.fenced', status: 409, retryable: false };
        await router.setRoute(lane.route(5), lane.fence(7));

        await expect(router.setRoute(lane.route(50), lane.fence(6))).rejects.toMatchObject(stale);
        await expect(router.removeRoute(lane.lane, lane.fence(6))).rejects.toMatchObject(stale);
        expect((await router.findRoute(lane.lane))?.arms[1]?.weight).toBe(5);

        await router.setRoute(lane.route(5), lane.fence(9));
        await expect(router.setRoute(lane.route(50), lane.fence(8))).rejects.toMatchObject(stale);
        await router.removeRoute(lane.lane, lane.fence(10));
        await expect(router.setRoute(lane.route(50), lane.fence(9))).rejects.toMatchObject(stale);
      });

      test('a fencing token of another lane is refused', async () => {
        const lane = await newLane();
        await expect(router.setRoute(lane.route(5), { lane: 'shop/other', token: 1 })).rejects.toMatchObject({ status: 422 });
      });

      test('a removed route serves nobody, and its generation never falls back', async () => {
        const lane = await newLane();
        await lane.split(5);
        await router.removeRoute(lane.lane, lane.fence(5));
        await router.removeRoute(lane.lane, lane.fence(5));

        expect(await router.findRoute(lane.lane)).toBeUndefined();
        await expect(router.readCounts(lane.lane)).rejects.toMatchObject({ status: 404 });
        await expect(client.send({ port: lane.port, path: '/ok' })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
        expect((await router.setRoute(lane.route(5), lane.fence(6))).generation).toBe(2);
      });

      test.each([
        ['weights that do not add up to 100', (route: Route) => ({ ...route, arms: route.arms.map((a) => ({ ...a, weight: 30 })) })],
        ['a deployment that is there twice', (route: Route) => ({ ...route, arms: route.arms.map((a) => ({ ...a, deployment: 'same' })) })],
        ['no arm', (route: Route) => ({ ...route, arms: [] })],
        ['a negative weight', (route: Route) => ({ ...route, arms: route.arms.map((a, i) => ({ ...a, weight: i === 0 ? 101 : -1 })) })],
        ['an upstream with a path', (route: Route) => ({ ...route, arms: route.arms.map((a) => ({ ...a, upstream: `${a.upstream}/x` })) })],
        [
          'a version that would end a header',
          (route: Route) => ({ ...route, arms: route.arms.map((a) => ({ ...a, version: '1\r\nx: y' })) }),
        ],
        ['a port out of range', (route: Route) => ({ ...route, port: 70_000 })],
        ['a lane without environment', (route: Route) => ({ ...route, lane: 'shop' })],
      ])('a route with %s is refused', async (_what, broken) => {
        const lane = await newLane();
        const route = broken(lane.route(5));
        await expect(router.setRoute(route, { lane: route.lane, token: 1 })).rejects.toMatchObject({ status: 422 });
        expect(await router.findRoute(lane.lane)).toBeUndefined();
      });

      test('a port that another route or process uses is refused', async () => {
        const [one, two] = [await newLane(), await newLane()];
        await one.split(5);
        await expect(router.setRoute({ ...two.route(5), port: one.port }, two.fence())).rejects.toMatchObject({ status: 409 });
        await expect(router.setRoute({ ...two.route(5), port: Number(new URL(stable.url).port) }, two.fence())).rejects.toMatchObject({
          status: 409,
        });
      });

      test('routes, weights, generations and fences survive kill -9', async () => {
        const lane = await newLane();
        await router.setRoute(lane.route(5), lane.fence(3));
        const before = await router.setRoute(lane.route(25), lane.fence(4));
        const versions = await lane.versions(users.slice(0, 200));

        await made.crash();

        const after = await until('the router', () => router.findRoute(lane.lane).catch(() => undefined));
        expect(after).toMatchObject({ generation: before.generation, arms: before.arms, port: before.port });
        expect(await until('service', () => lane.versions(users.slice(0, 200)).catch(() => undefined))).toEqual(versions);
        await expect(router.setRoute(lane.route(50), lane.fence(3))).rejects.toMatchObject({ code: 'lease.fenced' });
        expect((await router.setRoute(lane.route(50), lane.fence(5))).generation).toBe(before.generation + 1);
      });
    });

    describe('counts', () => {
      test('they add up to what users saw, by version', async () => {
        const lane = await newLane();
        await lane.split(25);
        const paths = users.slice(0, 600).map((user, i) => ({ user, path: i % 10 === 0 ? '/fail' : '/ok' }));

        const answers = await eachOf(paths, 16, ({ user, path }) => lane.get(path, user));

        const seen = (version: string, failed: boolean) =>
          answers.filter((a) => a.version === version && (!failed || a.status >= 500)).length;
        const [s, c] = [`${lane.lane}-s`, `${lane.lane}-c`];
        const batches = await lane.allCounts((all) => total(all, s, 'requests') + total(all, c, 'requests') >= 600);
        expect([total(batches, s, 'requests'), total(batches, c, 'requests')]).toEqual([seen('1.0.0', false), seen('1.1.0', false)]);
        expect([total(batches, s, 'errors'), total(batches, c, 'errors')]).toEqual([seen('1.0.0', true), seen('1.1.0', true)]);
        expect([total(batches, s, 'failedUsers'), total(batches, c, 'failedUsers')]).toEqual([seen('1.0.0', true), seen('1.1.0', true)]);
        const latencies = batches.flatMap((batch) => Object.values(batch.arms).flatMap((of) => of.latenciesMs));
        expect(latencies).toHaveLength(600);
        expect(latencies.every((ms) => ms >= 0 && ms < 10_000)).toBe(true);
      });

      test('a user who fails again and again is one first failure', async () => {
        const lane = await newLane();
        await lane.split(100);
        for (let i = 0; i < 10; i++) await lane.get('/fail', 'ada');
        await lane.get('/fail', 'grace');

        const batches = await lane.allCounts((all) => total(all, `${lane.lane}-c`, 'errors') >= 11);

        expect(total(batches, `${lane.lane}-c`, 'failedUsers')).toBe(2);
      });

      test('a batch never mixes two sets of weights', async () => {
        const lane = await newLane();
        for (const share of [5, 25, 50]) {
          await lane.split(share);
          await lane.versions(users.slice(0, 50));
        }

        const batches = await lane.allCounts(
          (all) =>
            all.reduce((n, batch) => n + total([batch], `${lane.lane}-s`, 'requests') + total([batch], `${lane.lane}-c`, 'requests'), 0) >=
            150,
        );

        for (const batch of batches) expect(batch.weights[`${lane.lane}-c`]).toBe([undefined, 5, 25, 50][batch.generation]);
        expect(new Set(batches.map((batch) => batch.generation))).toEqual(new Set([1, 2, 3]));
      });

      test('reading from a cursor gives each batch once, in order, without a gap', async () => {
        const lane = await newLane();
        await lane.split(50);
        await lane.versions(users.slice(0, 50));
        const first = await until('a batch', async () => {
          const page = await router.readCounts(lane.lane);
          return page.batches.length > 0 && page;
        });

        await lane.versions(users.slice(0, 50));
        const second = await until('a further batch', async () => {
          const page = await router.readCounts(lane.lane, first.cursor);
          return page.batches.length > 0 && page;
        });

        const sequences = [...first.batches, ...second.batches].map((batch) => batch.sequence);
        expect(sequences).toEqual(sequences.map((_, i) => (sequences[0] ?? 0) + i));
        expect(second.cursor).toEqual({ epoch: first.cursor.epoch, sequence: sequences.at(-1) });
        expect((await router.readCounts(lane.lane, first.cursor)).batches[0]).toEqual(second.batches[0]);
      });

      test('a cursor of another epoch reads what is kept', async () => {
        const lane = await newLane();
        await lane.split(50);
        await lane.versions(users.slice(0, 50));
        const page = await until('a batch', async () => {
          const read = await router.readCounts(lane.lane, { epoch: 'of another router', sequence: 1_000_000 });
          return read.batches.length > 0 && read;
        });
        expect(page.cursor.epoch).not.toBe('of another router');
      });

      test('a second without traffic has an empty batch', async () => {
        const lane = await newLane();
        await lane.split(50);
        const batches = await lane.allCounts((all) => all.length >= 2);
        expect(
          batches.every((batch) => Object.values(batch.arms).length === 2 && Object.values(batch.arms).every((of) => of.requests === 0)),
        ).toBe(true);
      });
    });

    describe('what passes through', () => {
      test('the answer carries the version, the request where it came from, and neither the headers of one hop', async () => {
        const lane = await newLane();
        await lane.split(100);

        const answer = await client.send({
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
        const lane = await newLane();
        await lane.split(100);
        const body = Buffer.alloc(1_048_576, 'x');
        const sized = await client.send({
          port: lane.port,
          path: '/echo',
          user: 'ada',
          method: 'POST',
          body,
          headers: { 'content-length': String(body.length) },
        });
        const chunked = await client.send({
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
        const lane = await newLane();
        await lane.split(100);
        expect((await lane.get('/stream?ms=100', 'ada')).body).toBe('first,second');
      });

      test('HEAD has no body and the connection stays usable', async () => {
        const lane = await newLane();
        await lane.split(100);
        const answers = await eachOf([1, 2, 3], 1, () => client.send({ port: lane.port, path: '/ok', user: 'ada', method: 'HEAD' }));
        expect(answers.map(({ status, body }) => ({ status, body }))).toEqual([1, 2, 3].map(() => ({ status: 200, body: '' })));
        expect((await lane.get('/ok', 'ada')).body).toBe('1.1.0');
      });
    });
  });
}
