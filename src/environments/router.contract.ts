import { afterAll, beforeAll, describe } from 'vitest';
import { countsContract } from './router-counts.contract.ts';
import { routeContract } from './router-route.contract.ts';
import { RouterSetting, type RouterUnderTest } from './router-setting.contract.ts';
import { trafficContract } from './router-traffic.contract.ts';

export type { RouterUnderTest } from './router-setting.contract.ts';

/** What every TrafficRouter promises, under real traffic to real applications. */
export function routerContract(name: string, make: () => Promise<RouterUnderTest>): void {
  describe(`${name} as TrafficRouter`, () => {
    const setting = new RouterSetting();
    beforeAll(() => setting.open(make));
    afterAll(() => setting.close());

    trafficContract(setting);
    routeContract(setting);
    countsContract(setting);
  });
}
