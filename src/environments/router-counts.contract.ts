import { describe, expect, test } from 'vitest';
import { total, users, type RouterSetting } from './router-setting.contract.ts';
import { eachOf, until } from './upstream.contract.ts';

/** What the judge reads: complete, by generation, each batch once. */
export function countsContract(setting: RouterSetting): void {
  describe('counts', () => {
    test('they add up to what users saw, by version', async () => {
      const lane = await setting.newLane();
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
      const lane = await setting.newLane();
      await lane.split(100);
      for (let i = 0; i < 10; i++) await lane.get('/fail', 'ada');
      await lane.get('/fail', 'grace');

      const batches = await lane.allCounts((all) => total(all, `${lane.lane}-c`, 'errors') >= 11);

      expect(total(batches, `${lane.lane}-c`, 'failedUsers')).toBe(2);
    });

    test('a batch never mixes two sets of weights', async () => {
      const lane = await setting.newLane();
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
      const lane = await setting.newLane();
      await lane.split(50);
      await lane.versions(users.slice(0, 50));
      const first = await until('a batch', async () => {
        const page = await setting.router.readCounts(lane.lane);
        return page.batches.length > 0 && page;
      });

      await lane.versions(users.slice(0, 50));
      const second = await until('a further batch', async () => {
        const page = await setting.router.readCounts(lane.lane, first.cursor);
        return page.batches.length > 0 && page;
      });

      const sequences = [...first.batches, ...second.batches].map((batch) => batch.sequence);
      expect(sequences).toEqual(sequences.map((_, i) => (sequences[0] ?? 0) + i));
      expect(second.cursor).toEqual({ epoch: first.cursor.epoch, sequence: sequences.at(-1) });
      expect((await setting.router.readCounts(lane.lane, first.cursor)).batches[0]).toEqual(second.batches[0]);
    });

    test('a cursor of another epoch reads what is kept', async () => {
      const lane = await setting.newLane();
      await lane.split(50);
      await lane.versions(users.slice(0, 50));
      const page = await until('a batch', async () => {
        const read = await setting.router.readCounts(lane.lane, { epoch: 'of another router', sequence: 1_000_000 });
        return read.batches.length > 0 && read;
      });
      expect(page.cursor.epoch).not.toBe('of another router');
    });

    test('a second without traffic has an empty batch', async () => {
      const lane = await setting.newLane();
      await lane.split(50);
      const batches = await lane.allCounts((all) => all.length >= 2);
      expect(
        batches.every((batch) => Object.values(batch.arms).length === 2 && Object.values(batch.arms).every((of) => of.requests === 0)),
      ).toBe(true);
    });
  });
}
