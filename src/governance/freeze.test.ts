import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NamedFreeze } from './freeze.ts';
import { Freeze, decideFreeze, nextOpening } from './freeze.ts';

const scope = { application: 'storefront', environment: 'production' };
const noon = new Date('2026-11-27T12:00:00Z');

function freeze(from: string, to: string, rest: Partial<NamedFreeze> = {}): NamedFreeze {
  return { name: 'black-friday', from, to, environments: ['production'], applications: [], reason: 'peak sales', ...rest };
}

describe('a freeze', () => {
  test('holds a deployment inside it and tells the next opening', () => {
    const decision = decideFreeze([freeze('2026-11-27T00:00:00Z', '2026-11-28T00:00:00Z')], scope, noon);

    expect(decision).toMatchObject({
      effect: 'deny',
      reasons: [{ code: 'freeze.active', evidence: { nextOpening: '2026-11-28T00:00:00.000Z' } }],
    });
    expect(decision.until).toEqual(new Date('2026-11-28T00:00:00Z'));
  });

  test('begins with its first instant and ends before its last', () => {
    const one = [freeze('2026-11-27T12:00:00Z', '2026-11-27T13:00:00Z')];

    expect(decideFreeze(one, scope, noon).effect).toBe('deny');
    expect(decideFreeze(one, scope, new Date('2026-11-27T13:00:00Z')).effect).toBe('allow');
    expect(decideFreeze(one, scope, new Date('2026-11-27T11:59:59.999Z')).effect).toBe('allow');
  });

  test('holds only its own environments and applications', () => {
    const day = ['2026-11-27T00:00:00Z', '2026-11-28T00:00:00Z'] as const;

    expect(decideFreeze([freeze(...day)], { ...scope, environment: 'staging' }, noon).effect).toBe('allow');
    expect(decideFreeze([freeze(...day, { applications: ['billing'] })], scope, noon).effect).toBe('allow');
    expect(decideFreeze([freeze(...day, { environments: [] })], { ...scope, environment: 'staging' }, noon).effect).toBe('deny');
  });

  test('offsets are understood: 01:00+02:00 is 23:00 of the day before in UTC', () => {
    expect(decideFreeze([freeze('2026-11-27T14:00:00+02:00', '2026-11-27T15:00:00+02:00')], scope, noon).effect).toBe('deny');
  });

  test('of zero or negative length is refused', () => {
    const spec = { from: '2026-11-27T00:00:00Z', to: '2026-11-27T00:00:00Z', reason: 'nothing' };

    expect(Freeze.safeParse(spec).success).toBe(false);
    expect(Freeze.safeParse({ ...spec, to: '2026-11-26T00:00:00Z' }).success).toBe(false);
  });

  test('a time without zone is refused: nobody knows whose noon it is', () => {
    expect(Freeze.safeParse({ from: '2026-11-27T00:00:00', to: '2026-11-28T00:00:00Z', reason: 'no zone' }).success).toBe(false);
  });
});

describe('the next opening', () => {
  const hours = fc.integer({ min: 0, max: 200 });
  const freezes = fc.array(
    fc.tuple(hours, fc.integer({ min: 1, max: 40 })).map(([from, length]) => {
      const at = (h: number) => new Date(noon.getTime() + h * 3_600_000).toISOString();
      return freeze(at(from), at(from + length));
    }),
    { maxLength: 8 },
  );

  test('is open, and every instant before it from now on is not', () => {
    fc.assert(
      fc.property(freezes, hours, (list, h) => {
        const from = new Date(noon.getTime() + h * 3_600_000);
        const opening = nextOpening(list, scope, from);

        expect(decideFreeze(list, scope, opening).effect).toBe('allow');
        for (let t = from.getTime(); t < opening.getTime(); t += 1_800_000)
          expect(decideFreeze(list, scope, new Date(t)).effect).toBe('deny');
      }),
    );
  });

  test('follows freezes that touch each other', () => {
    const list = [
      freeze('2026-11-27T00:00:00Z', '2026-11-28T00:00:00Z'),
      freeze('2026-11-28T00:00:00Z', '2026-11-29T00:00:00Z', { name: 'saturday' }),
    ];

    expect(nextOpening(list, scope, noon)).toEqual(new Date('2026-11-29T00:00:00Z'));
  });
});
