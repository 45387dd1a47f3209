import { describe, expect, test } from 'vitest';
import type { Route } from './router.port.ts';
import { arm, users, type RouterSetting } from './router-setting.contract.ts';
import { until } from './upstream.contract.ts';

/** Declaring routes: idempotence, generations, fences, faults, survival. */
export function routeContract(setting: RouterSetting): void {
  describe('declaring routes', () => {
    test('the same route again changes nothing, whatever the order of its arms', async () => {
      const lane = await setting.newLane();
      const first = await lane.split(5);
      const { arms } = lane.route(5);

      const second = await lane.set(...arms.toReversed());

      expect(first.generation).toBe(1);
      expect(second.generation).toBe(1);
    });

    test('each change of arms or weights raises the generation by one', async () => {
      const lane = await setting.newLane();
      const seen = [await lane.split(5), await lane.split(25), await lane.split(25), await lane.set(arm('only', setting.stable, 100))];
      expect(seen.map((status) => status.generation)).toEqual([1, 2, 2, 3]);
      expect(await setting.router.findRoute(lane.lane)).toEqual(seen[3]);
      expect((await setting.router.listRoutes()).find((route) => route.lane === lane.lane)).toEqual(seen[3]);
    });

    test('an older fencing token changes nothing and is refused, on a removed route too', async () => {
      const lane = await setting.newLane();
      const stale = { code: 'lease.fenced', status: 409, retryable: false };
      await setting.router.setRoute(lane.route(5), lane.fence(7));

      await expect(setting.router.setRoute(lane.route(50), lane.fence(6))).rejects.toMatchObject(stale);
      await expect(setting.router.removeRoute(lane.lane, lane.fence(6))).rejects.toMatchObject(stale);
      expect((await setting.router.findRoute(lane.lane))?.arms[1]?.weight).toBe(5);

      await setting.router.setRoute(lane.route(5), lane.fence(9));
      await expect(setting.router.setRoute(lane.route(50), lane.fence(8))).rejects.toMatchObject(stale);
      await setting.router.removeRoute(lane.lane, lane.fence(10));
      await expect(setting.router.setRoute(lane.route(50), lane.fence(9))).rejects.toMatchObject(stale);
    });

    test('a fencing token of another lane is refused', async () => {
      const lane = await setting.newLane();
      await expect(setting.router.setRoute(lane.route(5), { lane: 'shop/other', token: 1 })).rejects.toMatchObject({ status: 422 });
    });

    test('a removed route serves nobody, and its generation never falls back', async () => {
      const lane = await setting.newLane();
      await lane.split(5);
      await setting.router.removeRoute(lane.lane, lane.fence(5));
      await setting.router.removeRoute(lane.lane, lane.fence(5));

      expect(await setting.router.findRoute(lane.lane)).toBeUndefined();
      await expect(setting.router.readCounts(lane.lane)).rejects.toMatchObject({ status: 404 });
      await expect(setting.client.send({ port: lane.port, path: '/ok' })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      expect((await setting.router.setRoute(lane.route(5), lane.fence(6))).generation).toBe(2);
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
      const lane = await setting.newLane();
      const route = broken(lane.route(5));
      await expect(setting.router.setRoute(route, { lane: route.lane, token: 1 })).rejects.toMatchObject({ status: 422 });
      expect(await setting.router.findRoute(lane.lane)).toBeUndefined();
    });

    test('a port that another route or process uses is refused', async () => {
      const [one, two] = [await setting.newLane(), await setting.newLane()];
      await one.split(5);
      await expect(setting.router.setRoute({ ...two.route(5), port: one.port }, two.fence())).rejects.toMatchObject({ status: 409 });
      await expect(
        setting.router.setRoute({ ...two.route(5), port: Number(new URL(setting.stable.url).port) }, two.fence()),
      ).rejects.toMatchObject({
        status: 409,
      });
    });

    test('routes, weights, generations and fences survive kill -9', async () => {
      const lane = await setting.newLane();
      await setting.router.setRoute(lane.route(5), lane.fence(3));
      const before = await setting.router.setRoute(lane.route(25), lane.fence(4));
      const versions = await lane.versions(users.slice(0, 200));

      await setting.crash();

      const after = await until('the router', () => setting.router.findRoute(lane.lane).catch(() => undefined));
      expect(after).toMatchObject({ generation: before.generation, arms: before.arms, port: before.port });
      expect(await until('service', () => lane.versions(users.slice(0, 200)).catch(() => undefined))).toEqual(versions);
      await expect(setting.router.setRoute(lane.route(50), lane.fence(3))).rejects.toMatchObject({ code: 'lease.fenced' });
      expect((await setting.router.setRoute(lane.route(50), lane.fence(5))).generation).toBe(before.generation + 1);
    });
  });
}
